//! Recordings from files: WAV and FLAC.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::Path;

use claxon::FlacReader;
use codecs::SampleRate;
use codecs::wav::Wav;

/// Reads the recording at `path`, all channels in one.
///
/// # Errors
///
/// Why it cannot be read.
pub(super) fn read(path: &Path) -> Result<(SampleRate, Vec<i16>), String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let mut file = BufReader::new(File::open(path).map_err(|error| failed(&error))?);
    let mut magic = [0; 4];
    let is_flac = file.read_exact(&mut magic).is_ok() && &magic == b"fLaC";
    file.rewind().map_err(|error| failed(&error))?;
    if is_flac {
        return flac(file);
    }
    let wav = Wav::read(file).map_err(|error| failed(&error))?;
    Ok((wav.rate, wav.into_mono()))
}

fn flac(file: BufReader<File>) -> Result<(SampleRate, Vec<i16>), String> {
    let mut reader = FlacReader::new(file).map_err(|error| error.to_string())?;
    let info = reader.streaminfo();
    let rate = SampleRate::new(info.sample_rate).ok_or("the rate is 0 Hz")?;
    let channels = info.channels.max(1) as usize;
    let samples: Vec<i32> =
        reader.samples().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    // Up to 32 bits, as 16: those above count.
    let narrow = |sample: i64| match info.bits_per_sample {
        bits @ 17.. => sample >> (bits - 16),
        bits => sample << (16 - bits),
    };
    let mono = samples.chunks_exact(channels).map(|frame| {
        let sum: i64 = frame.iter().map(|&sample| i64::from(sample)).sum();
        narrow(sum / channels as i64) as i16
    });
    Ok((rate, mono.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_for_what_it_begins_with() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("a.wav");
        let file = File::create(&path).expect("a file");
        codecs::wav::write_stereo(file, SampleRate::HZ_16000, &[0, 100, 0], &[0, 300, 0])
            .expect("room on the disk");
        assert_eq!(read(&path), Ok((SampleRate::HZ_16000, vec![0, 200, 0])));
        std::fs::write(&path, b"fLaC and nothing else").expect("a file");
        assert!(read(&path).is_err());
        std::fs::write(&path, b"RI").expect("a file");
        assert!(read(&path).expect_err("too short").contains("WAV"));
    }
}

//! tuning only
use std::path::Path;
use std::time::Duration;
use codecs::g711::{mulaw_decode, mulaw_encode};
use codecs::noise::Noise;
use codecs::wav::Wav;
use codecs::{Resampler, SampleRate};
use vad::silero::{Band, Memory, Silero};
use vad::{EchoGate, Gate, GateEvent, GateSettings, Score};

const RATE: SampleRate = SampleRate::HZ_8000;
struct Chance(u64);
impl Chance {
    fn of(n: &str) -> Self { Self(n.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))) }
    fn bits(&mut self) -> u64 { self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15); let mut b = self.0; b = (b ^ (b >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9); b = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb); b ^ (b >> 31) }
    fn between(&mut self, l: f64, h: f64) -> f64 { l + (h - l) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64 }
    fn below(&mut self, n: usize) -> usize { (self.bits() % n.max(1) as u64) as usize }
}
fn read(p: &Path) -> Vec<i16> {
    let wav = Wav::read(std::io::BufReader::new(std::fs::File::open(p).unwrap())).unwrap();
    let rate = wav.rate; let m = wav.into_mono();
    let mut r = Resampler::new(rate, RATE).unwrap(); let mut o = vec![]; r.process(&m, &mut o); r.flush(&mut o); o
}
fn scale(s: &mut [i16], level: f64) {
    let p: Vec<f64> = s.chunks(80).map(|f| f.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / f.len() as f64).collect();
    let m = p.iter().copied().fold(0.0, f64::max); let a: Vec<f64> = p.into_iter().filter(|&x| x > m * 3e-4).collect();
    let g = (32768f64.powi(2) / 2.0 * 10f64.powf(level / 10.0) * a.len() as f64 / a.iter().sum::<f64>().max(1.0)).sqrt();
    for x in s { *x = (f64::from(*x) * g).round().clamp(-32768.0, 32767.0) as i16; }
}
fn norm(mut t: Vec<f32>) -> Vec<f32> { let e: f32 = t.iter().map(|x| x * x).sum(); t.iter_mut().for_each(|x| *x /= e.sqrt()); t }
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: usize = args.get(1).map_or(60, |x| x.parse().unwrap());
    let only = args.get(2).cloned();
    let off = std::env::var_os("OFF").is_some();
    let shift_ms: i64 = std::env::var("SHIFT").map_or(0, |x| x.parse().unwrap());
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../work/shared/audio"));
    let shared = if shared.exists() { shared.to_owned() } else { "/work/shared/audio".into() };
    let mut far: Vec<Vec<i16>> = vec![];
    for i in 0..64 { let p = format!("/tmp/x/echo/far/{i}.wav"); if Path::new(&p).exists() { let mut s = read(Path::new(&p)); scale(&mut s, -20.0); far.push(s); } }
    let list = std::fs::read_to_string(shared.join("eval.tsv")).unwrap();
    let mut callers = vec![];
    for l in list.lines().skip(1) { let f: Vec<&str> = l.split('\t').collect(); if !f[0].ends_with(".wav") { continue; }
        let (a, b): (usize, usize) = (f[5].parse().unwrap(), f[6].parse().unwrap()); if b < a + 600 { continue; }
        let s = read(&shared.join(f[0])); let e = (b.min(a + 2500) * 8).min(s.len()); let mut s = s[a * 8..e].to_vec(); scale(&mut s, -20.0); callers.push((f[0].to_string(), s)); }
    let mut hy = vec![0.0; 40]; for (a, t) in [(4, 0.3), (6, 1.0), (9, -0.7), (13, 0.4), (20, -0.2), (31, 0.1)] { hy[a] = t; }
    let mut rooms = vec![("hyb".to_string(), norm(hy))];
    for r in 1..5 { let s = read(&shared.join(format!("noise/speechbrain/rir{r}.wav"))); let m = (0..s.len()).max_by_key(|&a| s[a].unsigned_abs()).unwrap(); let f = m.saturating_sub(16); rooms.push((format!("rir{r}"), norm(s[f..s.len().min(f + 2000)].iter().map(|&x| f32::from(x)).collect()))); }
    let rt = onnx::Runtime::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../native/lib/libonnxruntime.so"))).unwrap();
    let mut silero = Silero::load(&rt, Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/silero-vad/silero_vad.onnx")), 1).unwrap();
    for kind in ["echo", "early", "late", "early-noecho", "late-noecho"] {
        if only.as_deref().is_some_and(|o| o != kind) { continue; }
        let (mut stops, mut holds, mut secs, mut missed) = (0, 0, 0.0, 0); let (mut silent, mut decided) = (vec![], vec![]);
        let mut spent = Duration::ZERO; let mut total = 0.0;
        for i in 0..n {
            if std::env::var("ONE").is_ok_and(|o| o != i.to_string()) { continue; }
            let mut c = Chance::of(&format!("{kind} {i}"));
            let mut voice = far[c.below(far.len())].clone(); for _ in 0..2 { voice.extend(vec![0; 3200]); let k = c.below(far.len()); voice.extend(&far[k]); }
            let (rn, resp) = &rooms[c.below(rooms.len())];
            let gain = c.between(-40.0, -3.0); let delay = c.between(20.0, 400.0); let od = c.below(3) == 0; let nz = c.between(-65.0, -45.0); let canceller = c.below(4) == 0;
            let taps: Vec<f32> = resp.iter().map(|t| t * 10f32.powf(gain as f32 / 20.0)).collect();
            let has_echo = !kind.ends_with("noecho");
            let onset = if kind.starts_with("early") { Some(c.between(150.0, 1000.0)) } else if kind.starts_with("late") { Some(c.between(3000.0, 7000.0)) } else { None };
            let level = c.between(-8.0, 4.0); let (cf, clip) = &callers[c.below(callers.len())];
            let mut noise = Noise::new(nz as f32, c.bits());
            let lead = 8000usize; // 1 s before voice
            let seconds = onset.map_or(14.0, |o| o / 1000.0 + 3.0); let frames = ((seconds + 1.0) * 50.0) as usize;
            let mut heard: Vec<i16> = vec![]; // what caller hears
            let mut near: Vec<i16> = vec![];
            let mut eg = EchoGate::new(RATE).unwrap(); let mut gate = Gate::new(GateSettings::default(), 256); let mut mem = Memory::default();
            let mut pos = 0usize; // playhead in voice
            let mut playing = true; let mut start = lead; let mut first = 0usize; let (mut began, mut voiced, mut until, mut hold_at): (Option<f64>, f64, Option<f64>, Option<f64>) = (None, 0.0, None, None);
            let mut stopped: Option<f64> = None; let mut first_silent: Option<f64> = None; let mut nh = 0; let mut trace = String::new();
            let d = (delay * 8.0) as usize; let on = onset.map(|o| lead as f64 / 8.0 + o);
            let gainclip = 10f64.powf(level / 20.0);
            let mut cgain = 0.0f32; // canceller dB
            for f in 0..frames {
                let now = (f + 1) as f64 * 20.0;
                let mut hf = vec![0i16; 160];
                if playing && f * 160 >= start { let k = (voice.len() - pos.min(voice.len())).min(160); hf[..k].copy_from_slice(&voice[pos..pos + k]); pos += k; }
                heard.extend(&hf);
                let mut nf = vec![0i16; 160];
                if has_echo { if canceller && f * 160 > lead { cgain = (cgain + 0.25).min(if (f / 25) % 4 == 0 { 6.0 } else { 25.0 }); }
                    let cg = 10f32.powf(-cgain / 20.0);
                    for (o, s) in nf.iter_mut().enumerate() { if let Some(at) = (f * 160 + o).checked_sub(d) { let e: f32 = heard[..=at].iter().rev().zip(&taps).map(|(&p, t)| { let p = f32::from(p); (if od { 5000.0 * (p / 5000.0).tanh() } else { p }) * t }).sum(); *s = (e * cg).clamp(-32000.0, 32000.0) as i16; } } }
                if let Some(on) = on { for (o, s) in nf.iter_mut().enumerate() { let at = (f * 160 + o) as i64 - (on * 8.0) as i64; if at >= 0 && (at as usize) < clip.len() { *s = s.saturating_add((f64::from(clip[at as usize]) * gainclip) as i16); } } }
                noise.add_into(&mut nf);
                for s in &mut nf { *s = mulaw_decode(mulaw_encode(*s)); }
                let t0 = std::time::Instant::now();
                let w = eg.wanted(160); let mut refr = vec![];
                for p in w { let p = p as i64 + shift_ms * 8; let s = if p < 0 { 0 } else if (p as usize) < heard.len() { heard[p as usize] } else if playing && p as usize >= start { voice.get(first + p as usize - start).copied().unwrap_or(0) } else { 0 }; refr.push(mulaw_decode(mulaw_encode(s))); }
                eg.play(&refr); eg.push(&nf, |_| {}); spent += t0.elapsed(); total += 0.02;
                let start = near.len() / 256; near.extend(&nf);
                for k in start..near.len() / 256 {
                    let end = (k as u64 + 1) * 256; let mut b = silero.batch(Band::Narrow, 1); b.load(0, &mem, &near[k * 256..(k + 1) * 256]); b.run().unwrap(); let p = b.store(0, &mut mem);
                    let speaking = gate.is_open();
                    let mut ev = None;
                    if !off && eg.take_revised() { trace += &format!(" [rev {now:.0}]"); if speaking && eg.was_echo((began.unwrap() * 8.0) as u64..end) { gate.close(); ev = Some(began.unwrap()); trace += " retract"; } }
                    if ev.is_none() {
                        let e = !off && eg.is_echo(end, speaking);
                        match gate.accept(Score { end, probability: if e { 0.0 } else { p } }) { Some(GateEvent::Started { since_sample }) => { began = Some(since_sample as f64 / 8.0); if playing && pos < voice.len() && f * 160 >= start { playing = false; hold_at = Some(now); voiced = 0.0; first_silent.get_or_insert(now); trace += &format!(" hold@{now:.0}"); } } Some(GateEvent::Stopped { since_sample }) => ev = Some(since_sample as f64 / 8.0), None => {} }
                    }
                    if let Some(u) = ev { voiced += u - began.unwrap(); until = Some(u); trace += &format!(" off({:.0})", u - began.unwrap()); }
                }
                // floor
                if let (Some(h), None) = (hold_at, stopped) {
                    let v = voiced + if gate.is_open() { (now - 84.0 - began.unwrap()).max(0.0) } else { 0.0 };
                    if v >= 200.0 { stopped = Some(now); trace += &format!(" STOP@{now:.0}"); }
                    else if (!gate.is_open() && until.is_some_and(|u| now >= u + 160.0)) || now >= h + 400.0 { playing = true; start = (f + 3) * 160; first = pos; hold_at = None; nh += 1; trace += &format!(" res@{now:.0}"); if on.is_none_or(|o| now < o) { first_silent = None; } }
                }
                if stopped.is_some() { secs += (now - 1000.0) / 1000.0; break; }
            }
            if stopped.is_none() { secs += seconds; }
            let bad = match on { None => stopped.is_some(), Some(o) => stopped.is_some_and(|s| s < o) };
            let miss = on.is_some() && stopped.is_none();
            if bad { stops += 1; } if miss { missed += 1; } holds += nh;
            if let (Some(o), Some(s), false) = (on, stopped, bad) { decided.push(s - o); if let Some(q) = first_silent { silent.push(q - o); } }
            if std::env::var_os("EACH").is_some() && (bad || miss || nh > 1 || (on.is_some() && !bad && first_silent.is_some_and(|q| q - on.unwrap() > 250.0)) || std::env::var_os("ALL").is_some()) { println!("{}{kind} {i}: {rn} {gain:.0}dB {delay:.0}ms{}{} nz {nz:.0} on {on:?} {level:.0}dB {cf} |{trace}", if bad { "FALSE " } else if miss { "MISS " } else { "" }, if od { " od" } else { "" }, if canceller { " canc" } else { "" }); }
        }
        let q = |v: &mut Vec<f64>| { v.sort_by(f64::total_cmp); let a = |p: usize| v.get(v.len() * p / 100).copied().unwrap_or(-1.0); format!("p50 {:.0} p90 {:.0} p95 {:.0} p99 {:.0}", a(50), a(90), a(95), a(99)) };
        println!("{kind:14} n={n} false stops {stops} holds {holds} in {:.1} min; missed {missed}; silent {}; decided {}  cost {:.3} ms/s", secs / 60.0, q(&mut silent), q(&mut decided), spent.as_secs_f64() * 1000.0 / total);
    }
}

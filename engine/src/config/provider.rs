//! What keys with a fixed choice can be set to.

/// A closed list of words, each with its meaning.
macro_rules! choice {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$inner])* $variant,)+
        }

        impl $name {
            /// The words that stand for them.
            pub const NAMES: &[&str] = &[$($word),+];

            /// What `word` stands for.
            pub fn from_name(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The word that stands for it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

choice! {
    /// Who hears the caller.
    TranscriberProvider {
        /// Moonshine, on this machine: English.
        Moonshine = "moonshine",
        /// A streaming model of sherpa-onnx, on this machine.
        SherpaOnnx = "sherpa-onnx",
        /// Deepgram's service: some fifty languages.
        Deepgram = "deepgram",
    }
}

impl TranscriberProvider {
    /// The model that is used where none is named.
    pub const fn default_model(self) -> &'static str {
        match self {
            // sherpa-onnx has none of ours: what is missing is then said with this name.
            Self::Moonshine | Self::SherpaOnnx => "moonshine-tiny-en",
            Self::Deepgram => asr::deepgram::MODEL,
        }
    }
}

choice! {
    /// Who speaks.
    VoiceProvider {
        /// flite for English, espeak-ng for every other language.
        Auto = "auto",
        /// flite, as a program: English.
        Flite = "flite",
        /// espeak-ng, as a program: over a hundred languages.
        EspeakNg = "espeak-ng",
        /// A neural voice of sherpa-onnx, on this machine.
        SherpaOnnx = "sherpa-onnx",
        /// Cartesia's service: some forty languages.
        Cartesia = "cartesia",
    }
}

choice! {
    /// Who writes the replies.
    ModelProvider {
        /// OpenAI, and every server that speaks its chat completions.
        OpenAi = "openai",
        /// A dialogue from a file.
        Scripted = "scripted",
    }
}

choice! {
    /// How log lines look.
    LogFormat {
        /// For people.
        Text = "text",
        /// For machines.
        Json = "json",
    }
}

choice! {
    /// What holds where the assistant says nothing about taking turns.
    Defaults {
        /// Our own choice.
        Causerie = "causerie",
        /// Vapi's.
        Vapi = "vapi",
    }
}

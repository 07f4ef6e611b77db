//! What an event is: for people, and by an id that files keep.

use crate::predict::uki::measured_section;
use crate::predict::variable::SecureBootVariable;
use std::fmt;

/// What an event is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A boot option is started.
    BootOption,
    /// A boot option ended, so the next one will be started.
    BootOptionEnded,
    /// The firmware's own part ends.
    Separator,
    /// A program is started before the image: a boot loader.
    Loader,
    /// The unified kernel image is started.
    Image,
    /// The kernel inside it is started: measured as a program only with secure boot off.
    Kernel,
    /// A secure boot variable is read.
    Variable(SecureBootVariable),
    /// An entry of `db` let the image start.
    Authority,
    /// The kernel was given its command line.
    LoadOptions,
    /// The kernel was given its initrd.
    Initrd,
    /// The stub says which section it measures.
    SectionName(&'static str),
    /// The stub measures a section.
    Section(&'static str),
    /// The running system says how far it is.
    Phase(String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BootOption => f.write_str("start of a boot option"),
            Self::BootOptionEnded => f.write_str("end of a boot option"),
            Self::Separator => f.write_str("separator"),
            Self::Loader => f.write_str("boot loader"),
            Self::Image => f.write_str("unified kernel image"),
            Self::Kernel => f.write_str("kernel"),
            Self::Variable(variable) => write!(f, "variable {variable}"),
            Self::Authority => f.write_str("certificate that allowed the image"),
            Self::LoadOptions => f.write_str("command line given to the kernel"),
            Self::Initrd => f.write_str("initrd given to the kernel"),
            Self::SectionName(name) => write!(f, "name of section {name}"),
            Self::Section(name) => match meaning(name) {
                Some(meaning) => write!(f, "section {name} ({meaning})"),
                None => write!(f, "section {name}"),
            },
            Self::Phase(word) => write!(f, "phase {word}"),
        }
    }
}

impl What {
    /// Its id in files: a word, and behind a colon what it is of, such as `section:.linux`.
    pub fn id(&self) -> String {
        match self {
            Self::BootOption => "boot-option".to_owned(),
            Self::BootOptionEnded => "boot-option-ended".to_owned(),
            Self::Separator => "separator".to_owned(),
            Self::Loader => "loader".to_owned(),
            Self::Image => "image".to_owned(),
            Self::Kernel => "kernel".to_owned(),
            Self::Variable(variable) => format!("variable:{variable}"),
            Self::Authority => "authority".to_owned(),
            Self::LoadOptions => "load-options".to_owned(),
            Self::Initrd => "initrd".to_owned(),
            Self::SectionName(name) => format!("section-name:{name}"),
            Self::Section(name) => format!("section:{name}"),
            Self::Phase(word) => format!("phase:{word}"),
        }
    }

    /// From the id in a file; none if there is no such event.
    pub fn from_id(id: &str) -> Option<Self> {
        let variable = |name: &str| {
            SecureBootVariable::ALL.into_iter().find(|variable| variable.name() == name)
        };
        match id.split_once(':') {
            None => Some(match id {
                "boot-option" => Self::BootOption,
                "boot-option-ended" => Self::BootOptionEnded,
                "separator" => Self::Separator,
                "loader" => Self::Loader,
                "image" => Self::Image,
                "kernel" => Self::Kernel,
                "authority" => Self::Authority,
                "load-options" => Self::LoadOptions,
                "initrd" => Self::Initrd,
                _ => return None,
            }),
            Some(("variable", name)) => variable(name).map(Self::Variable),
            Some(("section-name", name)) => measured_section(name).map(Self::SectionName),
            Some(("section", name)) => measured_section(name).map(Self::Section),
            Some(("phase", word)) => is_phase(word).then(|| Self::Phase(word.to_owned())),
            Some(_) => None,
        }
    }

    /// The PCRs that such an event may extend.
    pub(super) fn pcrs(&self) -> &'static [u8] {
        match self {
            Self::Separator => &[4, 7],
            Self::BootOption
            | Self::BootOptionEnded
            | Self::Loader
            | Self::Image
            | Self::Kernel => &[4],
            Self::Variable(_) | Self::Authority => &[7],
            Self::LoadOptions | Self::Initrd => &[9],
            Self::SectionName(_) | Self::Section(_) | Self::Phase(_) => &[11],
        }
    }
}

/// What is in a section, where its name does not tell everybody.
fn meaning(name: &str) -> Option<&'static str> {
    Some(match name {
        ".linux" => "kernel",
        ".osrel" => "os-release",
        ".cmdline" => "command line",
        ".initrd" => "initrd",
        ".ucode" => "microcode",
        ".uname" => "kernel version",
        ".sbat" => "revocation levels",
        _ => return None,
    })
}

/// Whether a text can be the word of a phase.
fn is_phase(word: &str) -> bool {
    /// systemd's longest is `leave-initrd`.
    const PHASE_BYTES_MAX: usize = 64;
    !word.is_empty()
        && word.len() <= PHASE_BYTES_MAX
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

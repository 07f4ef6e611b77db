//! Where packages come from: folders and HTTP servers that hold the Debian archive.
//!
//! Which servers is said by who builds, or by the machine's own apt; nothing is built in. Bytes are
//! checked by their hash, so the way they come needs no trust.

use super::Wanted;
use crate::debian::deb822;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// How long a server may take to begin its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Archives that the machine's apt is asked for, by the last name of their address.
const AREAS: [&str; 2] = ["debian", "debian-security"];

/// A place that cannot be used or that does not have a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LocationError {
    /// Neither a folder nor an address.
    #[error("{0:?} is no place of an archive: write http://host/path, or the path of a folder")]
    Form(String),
    /// A file of a folder.
    #[error("cannot read {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A server.
    #[error("{0}")]
    Http(Box<ureq::Error>),
    /// A server whose answer is not what was asked for.
    #[error("the server answers {status} to a request for the bytes from {offset} on")]
    Answer {
        /// The HTTP status.
        status: u16,
        /// From where on.
        offset: u64,
    },
    /// A file that is larger than it may be.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    /// A file that ends or cannot be read on.
    #[error("cannot read it to its end")]
    Read(#[source] io::Error),
}

/// A folder or an HTTP address, or a file below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// On this machine.
    Folder(PathBuf),
    /// An address without a slash at its end.
    Http(String),
}

impl Location {
    /// An `http://` address, or the path of a folder.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        if text.starts_with("http://") {
            return Ok(Self::Http(text.trim_end_matches('/').to_owned()));
        }
        if text.is_empty() || text.contains("://") {
            return Err(LocationError::Form(text.to_owned()));
        }
        Ok(Self::Folder(text.into()))
    }

    /// A file below this place.
    pub fn join(&self, path: &str) -> Self {
        match self {
            Self::Folder(folder) => Self::Folder(folder.join(path)),
            // A plus may stand in an address as it is, and mirrors have it so.
            Self::Http(address) => Self::Http(format!("{address}/{path}")),
        }
    }

    /// The bytes of a file from an offset on.
    pub fn open(&self, offset: u64) -> Result<Box<dyn Read>, LocationError> {
        match self {
            Self::Folder(path) => {
                let broken = |source| LocationError::File { path: path.clone(), source };
                let mut file = File::open(path).map_err(broken)?;
                let broken = |source| LocationError::File { path: path.clone(), source };
                file.seek(SeekFrom::Start(offset)).map_err(broken)?;
                Ok(Box::new(file))
            }
            Self::Http(address) => open_http(address, offset),
        }
    }

    /// All bytes of a small file.
    pub fn read(&self, bytes_max: u64) -> Result<Vec<u8>, LocationError> {
        let mut bytes = Vec::new();
        let mut reader = self.open(0)?.take(bytes_max + 1);
        reader.read_to_end(&mut bytes).map_err(LocationError::Read)?;
        if bytes.len() as u64 > bytes_max {
            return Err(LocationError::TooLarge(bytes_max));
        }
        Ok(bytes)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(formatter, "{}", path.display()),
            Self::Http(address) => formatter.write_str(address),
        }
    }
}

fn open_http(address: &str, offset: u64) -> Result<Box<dyn Read>, LocationError> {
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .timeout_connect(Some(ANSWER_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .build(),
    );
    let mut request = agent.get(address);
    if offset > 0 {
        request = request.header("Range", format!("bytes={offset}-"));
    }
    let response = request.call().map_err(|error| LocationError::Http(Box::new(error)))?;
    let status = response.status().as_u16();
    let expected = if offset > 0 { 206 } else { 200 };
    let body = response.into_body().into_reader();
    match status {
        _ if status == expected => Ok(Box::new(body)),
        // A server without ranges sends all; what is there already is read over.
        200 => {
            let mut body: Box<dyn Read> = Box::new(body);
            io::copy(&mut (&mut body).take(offset), &mut io::sink())
                .map_err(LocationError::Read)?;
            Ok(body)
        }
        _ => Err(LocationError::Answer { status, offset }),
    }
}

/// The mirrors of each archive, and one that has every state there ever was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// By archive: its mirrors in the order in which they are asked.
    pub areas: BTreeMap<String, Vec<Location>>,
    /// Below it: `archive/<archive>/<time>/<path>`.
    pub snapshot: Option<Location>,
}

impl Mirrors {
    /// The mirrors that this machine's apt uses: the folder is `/etc/apt`. Archives that are not
    /// Debian's are passed over, and so are files that cannot be understood.
    pub fn of_apt(folder: &Path) -> Self {
        let mut files = vec![folder.join("sources.list")];
        let mut others: Vec<PathBuf> = fs::read_dir(folder.join("sources.list.d"))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        others.sort();
        files.extend(others);
        let mut mirrors = Self::default();
        for file in files {
            let Ok(text) = fs::read_to_string(&file) else { continue };
            for address in addresses(&text) {
                mirrors.add_address(address);
            }
        }
        mirrors
    }

    /// Puts places in front of those of an archive.
    pub fn prefer(&mut self, area: &str, places: Vec<Location>) {
        let known = self.areas.entry(area.to_owned()).or_default();
        known.splice(0..0, places);
    }

    /// Mirrors of an archive.
    pub fn of(&self, area: &str) -> &[Location] {
        self.areas.get(area).map(Vec::as_slice).unwrap_or_default()
    }

    fn add_address(&mut self, address: &str) {
        let address = address.trim_end_matches('/');
        let Some(area) = AREAS.iter().find(|area| address.rsplit('/').next() == Some(**area))
        else {
            return;
        };
        let Ok(location @ Location::Http(_)) = Location::parse(address) else { return };
        let known = self.areas.entry((*area).to_owned()).or_default();
        if !known.contains(&location) {
            known.push(location);
        }
    }

    /// Where a file may be, in order.
    pub(super) fn places(&self, wanted: &Wanted) -> Vec<Location> {
        let mut places: Vec<_> =
            self.of(&wanted.area).iter().map(|mirror| mirror.join(&wanted.path)).collect();
        if let Some(snapshot) = &self.snapshot {
            let time = crate::lock::time_text(wanted.date_s).replace(['-', ':'], "");
            places.push(snapshot.join(&format!("archive/{}/{time}/{}", wanted.area, wanted.path)));
        }
        places
    }
}

/// Addresses in either form of apt's files.
fn addresses(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim_ascii) {
        if line.starts_with("deb ") {
            found.extend(line.split_ascii_whitespace().find(|word| word.starts_with("http")));
        }
    }
    let without_comments: String =
        text.lines().filter(|line| !line.starts_with('#')).flat_map(|l| [l, "\n"]).collect();
    if deb822::paragraphs(&without_comments).all(|paragraph| paragraph.is_ok()) {
        for line in text.lines().filter(|line| line.starts_with("URIs:")) {
            found.extend(line["URIs:".len()..].split_ascii_whitespace());
        }
    }
    found
}

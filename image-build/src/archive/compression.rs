//! Compressed members and indexes: xz, gzip and zstd, with bounds on memory and output.

use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use std::io::{self, BufReader, Read};

/// Memory that a decoder may take, in KiB: `xz -9` asks for 65 MiB.
const MEMORY_KIB_MAX: u32 = 96 << 10;
/// The largest window of zstd, as a power of two: 64 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 26;

/// How bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// The .xz format.
    Xz,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// By the ending of a name, such as `data.tar.xz` after `data.tar`.
    pub fn from_ending(ending: &[u8]) -> Option<Self> {
        match ending {
            b"" => Some(Self::None),
            b".gz" => Some(Self::Gzip),
            b".xz" => Some(Self::Xz),
            b".zst" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Decompresses while reading. It yields at most the bytes it was allowed to; more is an error, as
/// is anything behind the compressed bytes.
pub struct Decoder<R: Read> {
    kind: Kind<R>,
    left: u64,
    output_bytes_max: u64,
}

enum Kind<R: Read> {
    None(R),
    Gzip(Box<GzDecoder<BufReader<R>>>),
    Xz(Box<XzReader<R>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<R>>>),
}

impl<R: Read> Decoder<R> {
    /// A decoder whose output is bounded.
    pub fn new(compression: Compression, inner: R, output_bytes_max: u64) -> io::Result<Self> {
        let kind = match compression {
            Compression::None => Kind::None(inner),
            Compression::Gzip => Kind::Gzip(Box::new(GzDecoder::new(BufReader::new(inner)))),
            Compression::Xz => {
                Kind::Xz(Box::new(XzReader::new_mem_limit(inner, true, MEMORY_KIB_MAX)))
            }
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(inner)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Kind::Zstd(Box::new(decoder))
            }
        };
        Ok(Self { kind, left: output_bytes_max, output_bytes_max })
    }

    fn read_any(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::None(inner) => inner.read(buffer),
            Kind::Gzip(decoder) => {
                let got = decoder.read(buffer)?;
                if got == 0 && !buffer.is_empty() {
                    nothing_behind(decoder.get_mut())?;
                }
                Ok(got)
            }
            // It goes on to a further stream until the bytes end, and refuses what is none.
            Kind::Xz(decoder) => decoder.read(buffer),
            Kind::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let got = self.read_any(buffer)?;
        self.left = self.left.checked_sub(got as u64).ok_or_else(|| {
            let max = self.output_bytes_max;
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it expands to more than the {max} bytes allowed"),
            )
        })?;
        Ok(got)
    }
}

fn nothing_behind(inner: &mut impl Read) -> io::Result<()> {
    let behind = "something follows the compressed bytes";
    match inner.read(&mut [0; 1])? {
        0 => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, behind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// `printf 'hello hello hello\n' | xz -9`
    const XZ: &str = "fd377a585a000004e6d6b446020021011c00000010cf58cce00011000c5d0034194\
        9ee8de94f7e2121b000001f01d9c887c143c800012812c96a628e1fb6f37d010000000004595a";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(compression: Compression, bytes: &[u8], max: u64) -> io::Result<Vec<u8>> {
        let mut output = Vec::new();
        Decoder::new(compression, bytes, max)?.read_to_end(&mut output)?;
        Ok(output)
    }

    #[test]
    fn each_format_is_read() {
        let text = b"hello hello hello\n";
        assert_eq!(decode(Compression::None, text, 100).unwrap(), text);
        assert_eq!(decode(Compression::Gzip, &gzip(text), 100).unwrap(), text);
        let zstd = zstd::bulk::compress(text, 3).unwrap();
        assert_eq!(decode(Compression::Zstd, &zstd, 100).unwrap(), text);
        assert_eq!(decode(Compression::Xz, &xz(), 100).unwrap(), text);
    }

    #[test]
    fn output_is_bounded_and_nothing_may_follow() {
        let bomb = gzip(&vec![0; 1 << 20]);
        let error = decode(Compression::Gzip, &bomb, 1 << 16).unwrap_err();
        assert!(error.to_string().contains("more than the 65536 bytes"), "{error}");
        for (compression, mut bytes) in [
            (Compression::Gzip, gzip(b"x")),
            (Compression::Xz, xz()),
            (Compression::Zstd, zstd::bulk::compress(b"x", 3).unwrap()),
        ] {
            for cut in 1..bytes.len() {
                assert!(decode(compression, &bytes[..cut], 100).is_err(), "{compression:?} {cut}");
            }
            bytes.extend_from_slice(b"trailing bytes");
            assert!(decode(compression, &bytes, 100).is_err(), "{compression:?}");
        }
    }

    #[test]
    fn a_decoder_does_not_take_the_memory_that_a_header_claims() {
        // The dictionary of 4 GiB - 1 that a block header may ask for; its checksum is right.
        let mut bytes = xz();
        bytes[16] = 40;
        let checksum = crc32fast::hash(&bytes[12..20]);
        bytes[20..24].copy_from_slice(&checksum.to_le_bytes());
        assert!(decode(Compression::Xz, &bytes, 100).is_err());
    }

    fn xz() -> Vec<u8> {
        hex::decode(XZ).unwrap()
    }
}

//! A picture of at most 256 colours as PNG (ISO/IEC 15948): flate2 compresses, crc32fast checks.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// Encodes rows of `width` colours each, by their numbers in the palette.
pub(super) fn encode(width: u32, pixels: &[u8], palette: &[[u8; 3]]) -> Vec<u8> {
    let columns = usize::try_from(width).expect("a picture fits into memory");
    let height = u32::try_from(pixels.len() / columns).expect("a picture has fewer rows");
    let mut header = Vec::with_capacity(13);
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    // Eight bits a pixel, colours of a palette, and the only compression, filters and order without interlacing.
    header.extend([8, 3, 0, 0, 0]);

    let mut compressed = ZlibEncoder::new(Vec::new(), Compression::fast());
    for row in pixels.chunks_exact(columns) {
        // Each row begins with its filter: none.
        compressed.write_all(&[0]).and_then(|()| compressed.write_all(row)).expect("a vector takes every byte");
    }
    let data = compressed.finish().expect("a vector takes every byte");

    let mut png = SIGNATURE.to_vec();
    chunk(&mut png, b"IHDR", &header);
    chunk(&mut png, b"PLTE", palette.as_flattened());
    chunk(&mut png, b"IDAT", &data);
    chunk(&mut png, b"IEND", &[]);
    png
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let mut sum = crc32fast::Hasher::new();
    sum.update(kind);
    sum.update(data);
    png.extend(u32::try_from(data.len()).expect("a picture is small").to_be_bytes());
    png.extend(kind);
    png.extend(data);
    png.extend(sum.finalize().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_picture_is_that_of_the_standard() {
        let png = encode(1, &[1], &[[0, 0, 0], [255, 0, 0]]);
        let header = b"\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x03\0\0\0\x28\xcb\x34\xbb";
        assert!(png.starts_with(&[&SIGNATURE[..], header].concat()), "{png:02x?}");
        assert!(png.ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82"));
    }
}

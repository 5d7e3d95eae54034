//! Files that pages refer to, named by their content, so that browsers cache them for ever.

use std::borrow::Cow;
use std::io::Write as _;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::sha256;

/// A file that pages refer to. Its path changes with its content, so browsers may cache it for ever.
///
/// ```
/// use std::sync::LazyLock;
///
/// use presence_server::{Asset, Site};
///
/// static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::new("lamp.css", b"body { margin: 0 }"));
///
/// let site = Site { assets: vec![STYLE.clone()], ..Site::new("lamp") };
/// let link = format!(r#"<link rel="stylesheet" href="{}">"#, STYLE.path);
/// assert!(link.contains("/assets/lamp-") && site.assets[0].path == STYLE.path);
/// ```
#[derive(Clone, Debug)]
pub struct Asset {
    /// `/assets/app-1a2b3c4d5e.js`.
    pub path: Cow<'static, str>,
    /// `text/javascript; charset=utf-8`.
    pub content_type: &'static str,
    /// The uncompressed content.
    pub body: Bytes,
    /// The content as gzip, if that is smaller.
    pub gzip: Option<Bytes>,
    /// The content as brotli, if that is smaller.
    pub brotli: Option<Bytes>,
}

impl Asset {
    /// A file of the app: `Asset::new("style.css", include_bytes!("style.css"))`. Its type follows from its extension, and its
    /// path contains a hash of the content. It is compressed here, so keep it in a `LazyLock`.
    ///
    /// ```
    /// use presence_server::Asset;
    ///
    /// let style = Asset::new("style.css", b"body { margin: 0 } p { margin: 0 } h1 { margin: 0 } h2 { margin: 0 }");
    /// assert!(style.path.starts_with("/assets/style-") && style.path.ends_with(".css"));
    /// assert_eq!(style.content_type, "text/css; charset=utf-8");
    /// assert!(style.gzip.is_some_and(|bytes| bytes.len() < style.body.len()));
    /// ```
    pub fn new(name: &str, body: &'static [u8]) -> Self {
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let hash = HEXLOWER.encode(&sha256(body)[..5]);
        let dot = if extension.is_empty() { "" } else { "." };
        Self {
            path: Cow::Owned(format!("/assets/{stem}-{hash}{dot}{extension}")),
            content_type: content_type(extension),
            body: Bytes::from_static(body),
            gzip: Some(gzip(body)).filter(|bytes| bytes.len() < body.len()),
            brotli: None,
        }
    }
}

fn content_type(extension: &str) -> &'static str {
    match extension {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).expect("a vector takes every byte");
    encoder.finish().expect("a vector takes every byte").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_changes_with_the_content() {
        let path = |body| Asset::new("icon.svg", body).path;
        assert_eq!(path(b"<svg/>"), path(b"<svg/>"));
        assert_ne!(path(b"<svg/>"), path(b"<svg />"));
        assert!(Asset::new("LICENSE", b"MIT").path.starts_with("/assets/LICENSE-"));
    }

    #[test]
    fn a_file_that_compression_makes_larger_is_sent_uncompressed() {
        let tiny = Asset::new("a.txt", b"a");
        assert_eq!((tiny.gzip, tiny.brotli, &tiny.body[..]), (None, None, &b"a"[..]));
    }
}

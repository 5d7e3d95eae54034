//! As much of HTTP as a load needs: requests that keep their connection, and where an answer ends.

use memchr::memmem::find;

/// An answer that has come completely.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a str,
    pub(crate) body: &'a [u8],
    /// How many bytes it is.
    pub(crate) length: usize,
}

/// A request; `headers` end with a line's end each.
pub(crate) fn request(method: &str, host: &str, path: &str, headers: &str, body: &str) -> String {
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
    };
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}\r\n{body}")
}

/// The first answer, or `None` where it is not whole yet. A body in chunks is left in its chunks.
pub(crate) fn answer(bytes: &[u8]) -> Option<Answer<'_>> {
    let end = find(bytes, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let rest = &bytes[end..];
    let chunked = header(head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let length = match header(head, "content-length").and_then(|length| length.parse().ok()) {
        Some(length) => length,
        None if chunked => find(rest, b"0\r\n\r\n").filter(|at| *at == 0 || rest[at - 1] == b'\n')? + 5,
        None => 0,
    };
    Some(Answer { status, head, body: rest.get(..length)?, length: end + length })
}

/// A header's value.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let bytes = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\nSet-Cookie: a=b; Path=/\r\n\r\nokHTTP/1.1";
        let answer = answer(bytes).unwrap();
        assert_eq!((answer.status, answer.body, answer.length), (202, &b"ok"[..], bytes.len() - 8));
        assert_eq!(header(answer.head, "set-cookie"), Some("a=b; Path=/"));
        assert_eq!(super::answer(&bytes[..answer.length - 1]), None);
    }

    #[test]
    fn an_answer_in_chunks_ends_with_an_empty_one() {
        let bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        assert_eq!(answer(bytes).map(|answer| answer.length), Some(bytes.len()));
        assert_eq!(answer(&bytes[..bytes.len() - 2]), None);
    }

    #[test]
    fn a_request_says_how_long_its_body_is() {
        let post = request("POST", "localhost:1", "/api", "Authorization: Bearer k\r\n", "{}");
        assert!(post.ends_with("Content-Length: 2\r\n\r\n{}") && post.contains("\r\nAuthorization: Bearer k\r\n"));
        assert!(request("GET", "a", "/", "", "").ends_with("Host: a\r\n\r\n"));
    }
}

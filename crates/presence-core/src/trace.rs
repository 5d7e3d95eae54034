//! The trace that a write belongs to, as W3C Trace Context has it: it goes with the fact, so that what is drawn in other
//! regions is seen in the trace of the click.

use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// Bytes of a trace's id, of a span's id, and of the flags.
const TRACE_BYTES: usize = 16;
const SPAN_BYTES: usize = 8;
const CONTEXT_BYTES: usize = TRACE_BYTES + SPAN_BYTES + 1;
/// The caller records the trace.
const SAMPLED: u8 = 1;

/// A trace, the span in it that caused something, and whether the trace is recorded.
///
/// ```
/// use presence_core::TraceContext;
///
/// let caller = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
/// assert_eq!((caller.trace_id()[0], caller.span_id()[1], caller.is_sampled()), (0x4b, 0xf0, true));
/// let own = caller.child([7; 8]).unwrap();
/// assert_eq!((own.trace_id(), own.span_id()), (caller.trace_id(), [7; 8]));
/// assert_eq!(TraceContext::new([0; 16], [7; 8], true), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TraceContext {
    trace_id: [u8; TRACE_BYTES],
    span_id: [u8; SPAN_BYTES],
    flags: u8,
}

impl TraceContext {
    /// A trace and a span of these ids; `None` where one of them is zero, which stands for none.
    pub fn new(trace_id: [u8; TRACE_BYTES], span_id: [u8; SPAN_BYTES], sampled: bool) -> Option<Self> {
        Self { trace_id, span_id, flags: if sampled { SAMPLED } else { 0 } }.checked()
    }

    /// What a header `traceparent` says. That of a later version may have further parts.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let parts: Vec<&str> = traceparent.splitn(5, '-').collect();
        let [version, trace, span, flags, rest @ ..] = parts.as_slice() else { return None };
        let [version] = hex(version)?;
        if version == 0xff || (version == 0 && !rest.is_empty()) {
            return None;
        }
        let [flags] = hex(flags)?;
        Self::new(hex(trace)?, hex(span)?, flags & SAMPLED != 0)
    }

    /// The same trace, and a span in it that this one has caused; `None` where its id is zero.
    pub fn child(&self, span_id: [u8; SPAN_BYTES]) -> Option<Self> {
        Self { span_id, ..*self }.checked()
    }

    /// The id of the trace.
    pub fn trace_id(&self) -> [u8; TRACE_BYTES] {
        self.trace_id
    }

    /// The id of the span.
    pub fn span_id(&self) -> [u8; SPAN_BYTES] {
        self.span_id
    }

    /// Whether the trace is recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    fn checked(self) -> Option<Self> {
        (self.trace_id != [0; TRACE_BYTES] && self.span_id != [0; SPAN_BYTES]).then_some(self)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (trace_id, rest) = bytes.split_first_chunk()?;
        let (span_id, rest) = rest.split_first_chunk()?;
        let [flags] = rest else { return None };
        Self { trace_id: *trace_id, span_id: *span_id, flags: *flags }.checked()
    }
}

/// Lower-case hexadecimal digits, two for each byte.
fn hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * BYTES {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

impl<C> Encode<C> for TraceContext {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        let mut bytes = [self.flags; CONTEXT_BYTES];
        bytes[..TRACE_BYTES].copy_from_slice(&self.trace_id);
        bytes[TRACE_BYTES..TRACE_BYTES + SPAN_BYTES].copy_from_slice(&self.span_id);
        encoder.bytes(&bytes)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for TraceContext {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::read(decoder.bytes()?).ok_or_else(|| decode::Error::message("the context of a trace"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_as_the_standard_writes_it() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (good, sampled) in [
            (format!("00-{trace}-00f067aa0ba902b7-01"), true),
            (format!("00-{trace}-00f067aa0ba902b7-03"), true),
            (format!("01-{trace}-00f067aa0ba902b7-00"), false),
            (format!("cc-{trace}-00f067aa0ba902b7-fe-what-comes-later"), false),
        ] {
            let context = TraceContext::parse(&good).expect("a trace");
            assert_eq!((context.trace_id()[..2].to_vec(), context.is_sampled()), (vec![0x4b, 0xf9], sampled), "{good}");
            assert_eq!(context.span_id(), [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
        }
        for wrong in [
            String::new(),
            trace.to_owned(),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{trace}-00f067aa0ba902b7-01-more"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{}é-00f067aa0ba902b7-01", "a".repeat(30)),
            format!("00-{trace}-00f067aa0ba902b7"),
            format!("00-{trace}-00f067aa0ba902b7-+1"),
        ] {
            assert_eq!(TraceContext::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_25_bytes_with_two_ids_are_one() {
        let context = TraceContext::new([1; 16], [2; 8], true).expect("two ids");
        let bytes = minicbor::to_vec(context).expect("writing to memory can't fail");
        assert_eq!(bytes.len(), 2 + CONTEXT_BYTES);
        assert_eq!(minicbor::decode::<TraceContext>(&bytes).expect("the same"), context);
        let read = |bytes: &[u8]| {
            let written = minicbor::to_vec(minicbor::bytes::ByteVec::from(bytes.to_vec()));
            minicbor::decode::<TraceContext>(&written.expect("writing to memory can't fail")).is_ok()
        };
        assert!(read(&[1; CONTEXT_BYTES]));
        for wrong in [vec![1; CONTEXT_BYTES - 1], vec![1; CONTEXT_BYTES + 1], Vec::new(), vec![0; CONTEXT_BYTES]] {
            assert!(!read(&wrong), "{wrong:?}");
        }
        assert!(!read(&[[1; 16].as_slice(), &[0; 9]].concat()), "no span has this id");
    }
}

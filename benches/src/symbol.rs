//! Whose code a function is, by its demangled name.

/// Our crates.
pub const OURS: [&str; 9] =
    ["asr", "codecs", "engine", "frame_path", "onnx", "tts", "turntaking", "vad", "wire"];

/// The standard library, its hash table, and the profiler: whoever calls them has asked for what
/// they do.
const TRANSPARENT: [&str; 7] = ["alloc", "backtrace", "core", "dhat", "hashbrown", "mintex", "std"];

/// Who wrote a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// One of [`OURS`].
    Ours,
    /// The standard library or the profiler.
    Standard,
    /// Somebody else.
    Library,
    /// The name does not tell: the allocator's entry, a C function.
    Unknown,
}

/// Who wrote `symbol`.
pub fn author(symbol: &str) -> Author {
    match crate_of(symbol) {
        None => Author::Unknown,
        Some(name) if TRANSPARENT.contains(&name) => Author::Standard,
        Some(name) if OURS.contains(&name) => Author::Ours,
        Some(_) => Author::Library,
    }
}

/// The crate `symbol` belongs to: that of the type a method is for, and where that is a type
/// parameter, a primitive or the standard library's, that of the trait.
pub fn crate_of(symbol: &str) -> Option<&str> {
    let Some(inner) = symbol.strip_prefix('<') else { return first_segment(symbol) };
    let (of, by) = split_as(inner);
    let own = first_segment(of);
    match (own, by.and_then(first_segment)) {
        (Some(own), Some(by)) if TRANSPARENT.contains(&own) => Some(by),
        (Some(own), _) => Some(own),
        (None, by) => by,
    }
}

/// `symbol` without type parameters and hash, for people.
pub fn shortened(symbol: &str) -> String {
    let mut short = String::with_capacity(symbol.len());
    let mut depth = 0_usize;
    let mut arrow = false;
    let body = symbol.strip_prefix('<').map_or(symbol, |inner| split_as(inner).0);
    let method = if body.len() < symbol.len() { closing(symbol) } else { "" };
    for character in body.chars().chain(method.chars()) {
        match character {
            '<' => depth += 1,
            '>' if !arrow => depth = depth.saturating_sub(1),
            _ if depth == 0 => short.push(character),
            _ => {}
        }
        arrow = character == '-';
    }
    short.replace("::::", "::").replace("{{closure}}", "{closure}")
}

/// The crate at the head of a path such as `&mut dyn tokio::io::AsyncRead`; `None` for `T` or `u8`.
fn first_segment(path: &str) -> Option<&str> {
    let mut path = path.trim_start_matches(['<', '&', '*', '(', '[']);
    for word in ["mut ", "const ", "dyn ", "impl "] {
        path = path.strip_prefix(word).unwrap_or(path);
    }
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    let (segment, rest) = path.split_at(end);
    (!segment.is_empty() && rest.starts_with("::")).then_some(segment)
}

/// Splits the inside of `<Type as Trait>::method` at its own ` as `.
fn split_as(inner: &str) -> (&str, Option<&str>) {
    let mut depth = 0_usize;
    let mut arrow = false;
    for (at, character) in inner.char_indices() {
        match character {
            '<' => depth += 1,
            '>' if arrow => {}
            '>' if depth == 0 => return (&inner[..at], None),
            '>' => depth -= 1,
            ' ' if depth == 0 && inner[at..].starts_with(" as ") => {
                return (&inner[..at], Some(&inner[at + 4..]));
            }
            _ => {}
        }
        arrow = character == '-';
    }
    (inner, None)
}

/// What follows the `>` that closes the `<` at the head of `symbol`.
fn closing(symbol: &str) -> &str {
    let mut depth = 0_usize;
    let mut arrow = false;
    for (at, character) in symbol.char_indices() {
        match character {
            '<' => depth += 1,
            '>' if !arrow => {
                depth -= 1;
                if depth == 0 {
                    return &symbol[at + 1..];
                }
            }
            _ => {}
        }
        arrow = character == '-';
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_its_crates() {
        assert_eq!(crate_of("tokio::runtime::task::raw::poll"), Some("tokio"));
        assert_eq!(crate_of("engine::session::driver::Session::tell"), Some("engine"));
        assert_eq!(crate_of("engine::app::App::run_call::{{closure}}"), Some("engine"));
        assert_eq!(crate_of("malloc"), None);
        assert_eq!(crate_of("__rustc::__rust_alloc"), Some("__rustc"));
    }

    #[test]
    fn a_method_is_its_types_unless_anybody_could_have_the_type() {
        let cases = [
            ("<engine::session::Reply as core::ops::Drop>::drop", "engine"),
            ("<alloc::vec::Vec<T,A> as core::clone::Clone>::clone", "core"),
            ("<alloc::vec::Vec<T,A> as bytes::buf::BufMut>::put", "bytes"),
            ("<T as futures_util::stream::StreamExt>::next", "futures_util"),
            ("<&mut S as futures_core::stream::Stream>::poll_next", "futures_core"),
            ("<core::pin::Pin<P> as core::future::Future>::poll", "core"),
            ("<fn(A) -> engine::B as axum::handler::Handler<T,S>>::call", "axum"),
            ("<engine::transport::twilio::leg::TwilioLeg<S>>::poll_read", "engine"),
        ];
        for (symbol, expected) in cases {
            assert_eq!(crate_of(symbol), Some(expected), "{symbol}");
        }
        assert_eq!(author("<alloc::vec::Vec<T,A> as core::clone::Clone>::clone"), Author::Standard);
        assert_eq!(author("vad::batcher::Worker::run"), Author::Ours);
        assert_eq!(author("tungstenite::protocol::WebSocket::read"), Author::Library);
    }

    #[test]
    fn names_for_people_have_no_parameters() {
        let cases = [
            ("tokio::sync::mpsc::chan::Tx<T,S>::send", "tokio::sync::mpsc::chan::Tx::send"),
            ("<a::B<C> as d::E<F>>::g::<H>", "a::B::g::"),
            ("<a::B>::c::{{closure}}", "a::B::c::{closure}"),
        ];
        for (symbol, expected) in cases {
            assert_eq!(shortened(symbol), expected, "{symbol}");
        }
    }
}

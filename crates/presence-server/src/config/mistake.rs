//! Mistakes of a command line or of the environment, in words.

use std::ffi::OsStr;

use clap::error::{ContextKind, ContextValue};

/// Clap's message about a mistake, in one line. A value from the environment is named with its variable.
///
/// ```
/// use clap::Command;
///
/// let mistake = Command::new("shop").try_get_matches_from(["shop", "--colour"]).unwrap_err();
/// assert_eq!(presence_server::one_line(&mistake), "unexpected argument '--colour' found");
/// ```
pub fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let first = lines.next().unwrap_or("invalid command line").trim_start_matches("error: ").to_owned();
    let line = lines.fold(first, |all, line| format!("{all} {line}"));
    match variable(error, |name| std::env::var_os(name)) {
        Some((name, true)) => format!("{name} is set and empty: give it a value, or remove it ({line})"),
        Some((name, false)) => format!("{name}: {line}"),
        None => line,
    }
}

/// The variable that a mistaken value comes from, and whether it is empty; `None`: it is none, or can't be told.
fn variable<T: AsRef<OsStr>>(error: &clap::Error, environment: impl Fn(&str) -> Option<T>) -> Option<(String, bool)> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let option = text(ContextKind::InvalidArg)?.strip_prefix("--")?;
    let option = option.split([' ', '=', '[']).next().unwrap_or(option);
    let name = format!("GP_{}", option.to_ascii_uppercase().replace('-', "_"));
    let given = environment(&name)?;
    let (given, wrong) = (given.as_ref().to_string_lossy(), text(ContextKind::InvalidValue).unwrap_or_default());
    // A list is given as a whole, and one of its values is wrong.
    let is_from_there = given == wrong || given.split(',').any(|one| one == wrong);
    is_from_there.then(|| (name, given.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser, Debug)]
    struct MistakenLine {
        #[command(flatten)]
        config: crate::Config,
    }

    #[test]
    fn a_wrong_value_of_the_environment_is_named_with_its_variable() {
        use clap::Parser as _;
        for (option, wrong, value, expected) in [
            ("--data-dir", "", Some(""), Some(("GP_DATA_DIR", true))),
            ("--listen", "", Some(""), Some(("GP_LISTEN", true))),
            ("--listen", "nowhere", Some("nowhere"), Some(("GP_LISTEN", false))),
            ("--mesh-peer", "b", Some("quic/a:1,b"), Some(("GP_MESH_PEER", false))),
            ("--listen", "nowhere", Some("127.0.0.1:4000"), None),
            ("--listen", "nowhere", None, None),
        ] {
            let mistake = MistakenLine::try_parse_from(["node", &format!("{option}={wrong}")]).unwrap_err();
            let found = variable(&mistake, |_| value);
            assert_eq!(found.as_ref().map(|(name, empty)| (name.as_str(), *empty)), expected, "{option} {wrong}");
        }
    }
}

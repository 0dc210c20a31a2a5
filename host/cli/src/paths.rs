//! Spelling of files on the command line: `SRC[:GUEST]`, `GUEST[:PATH]` and `HOST[::GUEST][:ro]`.

use crate::failure::Failure;
use mutual_protocol::codes;
use mutual_protocol::manifest::GuestPath;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What an input is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file or folder of this machine.
    Path(PathBuf),
    /// Standard input, as a file.
    Stdin,
    /// Content of the store.
    Cid(String),
}

/// `-i SRC[:GUEST]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InputArg {
    pub(crate) source: Source,
    pub(crate) guest: GuestPath,
}

/// `-O GUEST[:PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutArg {
    pub(crate) guest: GuestPath,
    pub(crate) target: PathBuf,
}

/// `--dir HOST[::GUEST][:ro]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirArg {
    pub(crate) host: PathBuf,
    /// The name as the guest sees it. The root has one name, `/`: libc's treat `.` and `/` alike.
    pub(crate) name: String,
    pub(crate) writable: bool,
}

pub(crate) fn parse_input(text: &OsStr) -> Result<InputArg, Failure> {
    let text = utf8(text)?;
    // A file whose name holds a colon needs no escape: what exists as typed is meant as typed.
    let (source, guest) = match text.rsplit_once(':') {
        Some((source, guest)) if guest.starts_with('/') && !Path::new(text).exists() => {
            (source, Some(guest))
        }
        _ => (text, None),
    };
    let guest = match guest {
        Some(guest) => guest.to_owned(),
        None => default_name(source)?,
    };
    let source = match source {
        "-" => Source::Stdin,
        source => match source.strip_prefix("cid:") {
            Some(cid) => Source::Cid(cid.to_owned()),
            None => Source::Path(source.into()),
        },
    };
    Ok(InputArg {
        source,
        guest: guest_path(&guest)?,
    })
}

fn default_name(source: &str) -> Result<String, Failure> {
    let needs_name = || {
        Failure::new(codes::PATH_INVALID)
            .because(format!("`-i {source}` has no name of its own"))
            .next(format!("say where it goes: -i {source}:/NAME"))
    };
    if source == "-" || source.starts_with("cid:") {
        return Err(needs_name());
    }
    // `.` and `..` have a name only on this machine, not as typed.
    let absolute = std::path::absolute(source).ok();
    let name = match Path::new(source).file_name() {
        Some(name) => Some(name.to_owned()),
        None => absolute.and_then(|path| path.file_name().map(OsStr::to_owned)),
    };
    name.and_then(|name| name.to_str().map(str::to_owned))
        .ok_or_else(needs_name)
}

pub(crate) fn parse_out(text: &OsStr) -> Result<OutArg, Failure> {
    let text = utf8(text)?;
    let (guest, target) = match text.split_once(':') {
        Some((guest, target)) if !target.is_empty() => (guest, Some(PathBuf::from(target))),
        _ => (text, None),
    };
    let guest = guest_path(guest)?;
    let target = target.unwrap_or_else(|| guest.name().into());
    Ok(OutArg { guest, target })
}

pub(crate) fn parse_dir(text: &OsStr) -> Result<DirArg, Failure> {
    let text = utf8(text)?;
    let (rest, writable) = match text.strip_suffix(":ro") {
        Some(rest) => (rest, false),
        None => (text, true),
    };
    let (host, name) = rest.split_once("::").unwrap_or((rest, rest));
    if host.is_empty() || name.is_empty() {
        return Err(
            Failure::new(codes::PATH_INVALID).because(format!("`--dir {text}` names no folder"))
        );
    }
    let name = match name.trim_end_matches('/') {
        "" | "." => "/".to_owned(),
        name => name.to_owned(),
    };
    Ok(DirArg {
        host: host.into(),
        name,
        writable,
    })
}

fn guest_path(text: &str) -> Result<GuestPath, Failure> {
    let invalid = |why: &str| Failure::new(codes::PATH_INVALID).because(format!("`{text}`: {why}"));
    let path = GuestPath::parse(text).map_err(|e| invalid(&e.to_string()))?;
    if path.names().next() == Some(".mc") {
        return Err(invalid("/.mc is Mutual Cloud's own folder"));
    }
    Ok(path)
}

fn utf8(text: &OsStr) -> Result<&str, Failure> {
    text.to_str().ok_or_else(|| {
        Failure::new(codes::ARGUMENT_INVALID).because(format!("{} is not UTF-8", text.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(text: &str) -> (Source, String) {
        let input = parse_input(OsStr::new(text)).unwrap();
        (input.source, input.guest.to_string())
    }

    #[test]
    fn inputs_have_a_default_name() {
        assert_eq!(
            input("a/b.txt"),
            (Source::Path("a/b.txt".into()), "/b.txt".into())
        );
        assert_eq!(
            input("a/b.txt:/data/x"),
            (Source::Path("a/b.txt".into()), "/data/x".into())
        );
        assert_eq!(
            input("folder/"),
            (Source::Path("folder/".into()), "/folder".into())
        );
        assert_eq!(input("-:/in"), (Source::Stdin, "/in".into()));
        assert_eq!(
            input("cid:bafy:/in"),
            (Source::Cid("bafy".into()), "/in".into())
        );
        assert_eq!(
            input("a:b"),
            (Source::Path("a:b".into()), "/a:b".into()),
            "no guest path after the colon"
        );
        for bad in ["-", "cid:bafy", "a:/../b", "a:/.mc/progress"] {
            assert_eq!(
                parse_input(OsStr::new(bad)).unwrap_err().code(),
                "mc::path::invalid",
                "{bad}"
            );
        }
    }

    #[test]
    fn outs_go_to_the_same_name_here() {
        let out = parse_out(OsStr::new("/deep/result.csv")).unwrap();
        assert_eq!(
            (out.guest.as_str(), out.target),
            ("deep/result.csv", "result.csv".into())
        );
        assert_eq!(
            parse_out(OsStr::new("/r:/tmp/x")).unwrap().target,
            Path::new("/tmp/x")
        );
    }

    #[test]
    fn dirs_are_spelled_as_in_wasmtime() {
        let dir = |text: &str| {
            let dir = parse_dir(OsStr::new(text)).unwrap();
            (dir.host.display().to_string(), dir.name, dir.writable)
        };
        assert_eq!(dir("data"), ("data".into(), "data".into(), true));
        assert_eq!(dir("data::/x:ro"), ("data".into(), "/x".into(), false));
        assert_eq!(dir("."), (".".into(), "/".into(), true));
        assert_eq!(dir(".::/"), (".".into(), "/".into(), true));
        assert!(parse_dir(OsStr::new("")).is_err());
    }
}

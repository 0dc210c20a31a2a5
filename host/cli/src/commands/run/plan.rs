//! From `mc run`'s arguments to what is asked of the node: everything that can be wrong with them is found here.

use crate::args::RunArgs;
use crate::failure::Failure;
use crate::paths::{self, DirArg, InputArg, OutArg, Source};
use mutual_node::prepare::{InputRequest, InputSource, PreopenRequest};
use mutual_protocol::manifest::GuestPath;
use mutual_protocol::spec::SpecLimits;
use mutual_protocol::{codes, limits};
use mutual_store::BlockStore;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Folders above this size are taken with `--yes` only.
const FOLDER_BYTES_UNASKED: u64 = 1 << 30;
/// Larger inputs than this are not one machine's job.
const FOLDER_BYTES_MAX: u64 = 1 << 40;

/// Checked arguments.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) inputs: Vec<InputArg>,
    pub(super) dirs: Vec<DirArg>,
    pub(super) outs: Vec<OutArg>,
    pub(super) limits: SpecLimits,
    pub(super) keep_ms: u64,
    pub(super) folder_bytes_max: u64,
}

impl Plan {
    pub(super) fn new(args: &RunArgs) -> Result<Self, Failure> {
        let mut words = args.program.iter();
        let program = words.next().map(PathBuf::from).unwrap_or_default();
        let arguments = words
            .map(|word| utf8(word, "argument"))
            .collect::<Result<_, _>>()?;
        let inputs = collect(&args.files.inputs, paths::parse_input)?;
        let dirs = collect(&args.files.dirs, paths::parse_dir)?;
        let outs = collect(&args.files.outs, paths::parse_out)?;
        check_names(&dirs)?;
        if inputs.iter().any(|input| input.source == Source::Stdin)
            && args.files.stdin.is_none()
            && args.detach
        {
            return Err(Failure::new(codes::ARGUMENT_INVALID)
                .because("`-i -` reads standard input, which `-d` does not have")
                .next("give a file: -i FILE:/NAME"));
        }
        Ok(Self {
            program,
            arguments,
            environment: environment(&args.env)?,
            inputs,
            dirs,
            outs,
            limits: limits_of(args)?,
            keep_ms: args
                .keep
                .map_or(limits::KEEP_DAYS_DEFAULT * 86_400_000, milliseconds),
            folder_bytes_max: if args.files.yes {
                FOLDER_BYTES_MAX
            } else {
                FOLDER_BYTES_UNASKED
            },
        })
    }

    /// Guest paths of the root that come back.
    pub(super) fn outputs(&self) -> Vec<GuestPath> {
        self.outs.iter().map(|out| out.guest.clone()).collect()
    }

    pub(super) fn preopens(&self) -> Vec<PreopenRequest> {
        let preopen = |dir: &DirArg| PreopenRequest {
            host: dir.host.clone(),
            name: dir.name.clone(),
            writable: dir.writable,
        };
        self.dirs.iter().map(preopen).collect()
    }

    /// Turns every source into something the node takes: standard input is read into the store first.
    pub(super) fn inputs(&self, blocks: &BlockStore) -> Result<Vec<InputRequest>, Failure> {
        let request = |input: &InputArg| {
            let source = match &input.source {
                Source::Path(path) => InputSource::Path(path.clone()),
                Source::Cid(text) => InputSource::Content(super::super::cat::parse_cid(text)?),
                Source::Stdin => {
                    let root =
                        blocks.import_stream(&mut std::io::stdin().lock(), self.folder_bytes_max);
                    InputSource::Content(root.map_err(|e| crate::explain::import(&e))?.cid)
                }
            };
            Ok(InputRequest {
                source,
                guest: input.guest.clone(),
            })
        };
        self.inputs.iter().map(request).collect()
    }
}

fn collect<T>(
    words: &[std::ffi::OsString],
    parse: fn(&OsStr) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    words.iter().map(|word| parse(word)).collect()
}

fn check_names(dirs: &[DirArg]) -> Result<(), Failure> {
    for (index, dir) in dirs.iter().enumerate() {
        if dirs
            .iter()
            .skip(index + 1)
            .any(|other| other.name == dir.name)
        {
            return Err(Failure::new(codes::PATH_TWICE)
                .because(format!("two folders are called `{}`", dir.name))
                .next("give one of them another name: --dir HOST::NAME"));
        }
    }
    Ok(())
}

fn utf8(word: &OsStr, what: &str) -> Result<String, Failure> {
    let text = word.to_str().filter(|text| !text.contains('\0'));
    let invalid = || {
        Failure::new(codes::ARGUMENT_INVALID)
            .because(format!("{what} {}", Path::new(word).display()))
    };
    text.map(str::to_owned).ok_or_else(invalid)
}

/// `NAME=VALUE`, or `NAME` with the value that it has here. The last of several wins.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary's edge: `-e NAME` asks for this environment's value"
)]
fn environment(words: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let mut pairs = std::collections::BTreeMap::new();
    for word in words {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => match std::env::var_os(word) {
                Some(value) => (word.as_str(), utf8(&value, "value of")?),
                None => {
                    return Err(Failure::new(codes::ARGUMENT_INVALID)
                        .because(format!("`{word}` is not set here"))
                        .next(format!("give its value: -e {word}=VALUE")));
                }
            },
        };
        if name.is_empty() {
            return Err(Failure::new(codes::ARGUMENT_INVALID)
                .because(format!("`-e {word}` has no name"))
                .next("for example -e NAME=VALUE"));
        }
        pairs.insert(name.to_owned(), value);
    }
    Ok(pairs.into_iter().collect())
}

fn limits_of(args: &RunArgs) -> Result<SpecLimits, Failure> {
    let memory = args
        .memory
        .map_or(limits::MEMORY_BYTES_DEFAULT, |size| size.0);
    if !(65_536..=limits::MEMORY_BYTES_MAX).contains(&memory) {
        return Err(Failure::new(codes::ARGUMENT_INVALID)
            .because("a 32-bit program has between 64KiB and 4GiB of memory")
            .next("for example --memory 512MiB"));
    }
    let wall_ms_max = args.timeout.map(milliseconds);
    if wall_ms_max == Some(0) {
        return Err(Failure::new(codes::ARGUMENT_INVALID)
            .because("a time limit of nothing")
            .next("for example --timeout 90s; without --timeout there is no limit"));
    }
    Ok(SpecLimits {
        memory_bytes_max: memory,
        disk_bytes_max: args.disk.map_or(limits::DISK_BYTES_DEFAULT, |size| size.0),
        files_max: limits::FILES_MAX,
        stdio_bytes_max: limits::STDIO_BYTES_MAX,
        wall_ms_max,
        fuel_max: None,
    })
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

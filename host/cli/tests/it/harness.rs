//! Runs the real `mc` in a home of its own, and masks what differs from run to run.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A home folder and a working folder, gone at the end of the test.
pub(crate) struct Mc {
    folder: tempfile::TempDir,
}

impl Mc {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    /// `MC_HOME` of this test.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The working folder.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Writes a file of the working folder, making folders above it.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Gives a package the project's own toolchain, so that no other one is downloaded to build it.
    pub(crate) fn pin_toolchain(&self, package: &str) {
        let file = "rust-toolchain.toml";
        let own = mutual_testkit::repository_root().join(file);
        std::fs::copy(own, self.work().join(package).join(file)).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.work().join(path)).unwrap()
    }

    /// `mc` with these arguments, in the working folder.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mc"));
        command
            .args(args)
            .current_dir(self.work())
            .env("MC_HOME", self.home())
            .env_remove("MC_LOG");
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        Ran::new(self.command(args).output().unwrap())
    }

    /// With `input` on standard input.
    pub(crate) fn pipe<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Ran {
        Ran::new(self.pipe_bytes(args, input))
    }

    /// With `input` on standard input; what came out, as bytes.
    pub(crate) fn pipe_bytes<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Output {
        let mut command = self.command(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            let _reader_may_leave = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }

    /// A line of bash in the working folder, with `mc` first on PATH.
    pub(crate) fn bash(&self, line: &str) -> Ran {
        Ran::new(self.bash_command(line).output().unwrap())
    }

    pub(crate) fn bash_command(&self, line: &str) -> Command {
        let folder = Path::new(env!("CARGO_BIN_EXE_mc")).parent().unwrap();
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(format!("PATH=$MC_FOLDER:$PATH\n{line}"))
            .env("MC_FOLDER", folder)
            .current_dir(self.work())
            .env("MC_HOME", self.home())
            .env_remove("MC_LOG")
            .stdin(Stdio::null());
        command
    }

    /// Starts without waiting; stdout and stderr are pipes.
    pub(crate) fn spawn<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Child {
        self.command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Files below the home, except the identity and compiled programs: what a run leaves behind.
    pub(crate) fn left_behind(&self, part: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.home().join(part), &mut found);
        found
    }
}

/// All files below a folder.
pub(crate) fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found)
        } else {
            found.push(path)
        }
    }
}

/// What a finished command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn new(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Ended with 0 and said nothing on stderr.
    #[track_caller]
    pub(crate) fn clean(self) -> Self {
        assert!(self.code == Some(0) && self.stderr.is_empty(), "{self:#?}");
        self
    }

    /// Ended with `code` and named the error `error`, with a next step.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, error: &str) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(
            self.stderr.contains(&format!("error[{error}]: ")),
            "{self:#?}"
        );
        assert!(self.stderr.contains("\n  help:  "), "{self:#?}");
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }
}

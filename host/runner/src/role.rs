//! Which part an executable plays: the same file is command, runner and compiler.

use std::ffi::{OsStr, OsString};

/// What a child process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Executes guests.
    Runner,
    /// Compiles one program and ends.
    Compiler,
}

impl Role {
    /// The hidden first argument, which `ps` shows.
    pub const fn argument(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Compiler => "compiler",
        }
    }

    /// Reads the role from a process's arguments (with argv\[0\]); `None` for an ordinary start.
    ///
    /// The first thing that `main` does, before arguments are parsed: everything else belongs to the parent.
    pub fn of_process(arguments: impl IntoIterator<Item = OsString>) -> Option<RoleStart> {
        let mut arguments = arguments.into_iter().skip(1);
        let name = arguments.next()?;
        let role = [Self::Runner, Self::Compiler]
            .into_iter()
            .find(|role| name == OsStr::new(role.argument()))?;
        let parent: i32 = arguments.next()?.to_str()?.parse().ok()?;
        (parent > 0 && arguments.next().is_none()).then_some(RoleStart { role, parent })
    }
}

/// A role, and the process that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleStart {
    /// The role.
    pub role: Role,
    /// Process id of the parent; the child ends when it is another one.
    pub parent: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(arguments: &[&str]) -> Option<RoleStart> {
        Role::of_process(arguments.iter().map(OsString::from))
    }

    #[test]
    fn only_the_exact_form_is_a_role() {
        let start = role(&["mc", "runner", "17"]).unwrap();
        assert_eq!((start.role, start.parent), (Role::Runner, 17));
        assert_eq!(role(&["mc", "compiler", "1"]).unwrap().role, Role::Compiler);
        for other in [
            &["mc"][..],
            &["mc", "run", "x"],
            &["mc", "runner"],
            &["mc", "runner", "x"],
            &["mc", "runner", "0"],
            &["mc", "runner", "-3"],
            &["mc", "runner", "1", "2"],
        ] {
            assert_eq!(role(other), None, "{other:?}");
        }
    }
}

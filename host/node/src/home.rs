//! The folders of one account: configuration, data, cache, runtime. Paths only; nothing is made before it is used.

use std::path::{Path, PathBuf};

/// Environment that decides where the folders are, read once by the binary.
#[derive(Clone, Debug, Default)]
pub struct HomeEnv {
    /// `MC_HOME`: one folder for everything.
    pub mc_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_DATA_HOME`.
    pub xdg_data: Option<PathBuf>,
    /// `XDG_CACHE_HOME`.
    pub xdg_cache: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime: Option<PathBuf>,
}

/// Why there is no folder to start from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocateHomeError {
    /// Neither `MC_HOME` nor `HOME` names an absolute folder.
    #[error("neither MC_HOME nor HOME names an absolute folder")]
    None,
    /// `MC_HOME` would mean another folder in each folder that a command is typed in.
    #[error("MC_HOME is {}, which is not an absolute path", path.display())]
    Relative {
        /// What it says.
        path: PathBuf,
    },
}

/// The folders, by the XDG base directory specification, each with `mutual-cloud` as its last name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    data: PathBuf,
    cache: PathBuf,
    runtime: PathBuf,
}

const NAME: &str = "mutual-cloud";

impl Home {
    /// Chooses the folders. Relative paths are ignored, as the XDG specification demands, but for `MC_HOME`.
    ///
    /// # Errors
    /// When there is no folder to start from.
    pub fn locate(env: &HomeEnv) -> Result<Self, LocateHomeError> {
        let absolute = |path: &Option<PathBuf>| path.clone().filter(|path| path.is_absolute());
        let given = env.mc_home.as_ref();
        if let Some(root) = given.filter(|path| !path.as_os_str().is_empty()) {
            if root.is_relative() {
                return Err(LocateHomeError::Relative { path: root.clone() });
            }
            return Ok(Self {
                data: root.join("data"),
                cache: root.join("cache"),
                runtime: root.join("run"),
            });
        }
        let home = absolute(&env.home);
        let below = |xdg: &Option<PathBuf>, default: &str| {
            let base = absolute(xdg).or_else(|| home.as_ref().map(|home| home.join(default)))?;
            Some(base.join(NAME))
        };
        let data = below(&env.xdg_data, ".local/share").ok_or(LocateHomeError::None)?;
        let cache = below(&env.xdg_cache, ".cache").ok_or(LocateHomeError::None)?;
        // Without a runtime folder of the session, sockets lie beside the data: same owner, same rights.
        let runtime =
            absolute(&env.xdg_runtime).map_or_else(|| data.join("run"), |base| base.join(NAME));
        Ok(Self {
            data,
            cache,
            runtime,
        })
    }

    /// Blocks, run records and staging folders.
    pub fn store(&self) -> PathBuf {
        self.data.join("store")
    }

    /// The account's private key.
    pub fn identity_file(&self) -> PathBuf {
        self.data.join("identity")
    }

    /// What is known of pools, one folder each.
    pub fn pools(&self) -> PathBuf {
        self.data.join("pools")
    }

    /// What this machine's host is started with.
    pub fn host_settings(&self) -> PathBuf {
        self.data.join("host.json")
    }

    /// Held by the one host of this data folder.
    pub fn host_lock(&self) -> PathBuf {
        self.data.join("host.lock")
    }

    /// What a host in the background has to say.
    pub fn host_log(&self) -> PathBuf {
        self.data.join("host.log")
    }

    /// Where the host is asked and told.
    pub fn host_socket(&self) -> PathBuf {
        self.runtime.join("mc-host.sock")
    }

    /// Compiled programs.
    pub fn compiled(&self) -> PathBuf {
        self.cache.join("compiled")
    }

    /// Control sockets of attached runs.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// Its time is that of the last collection that nobody asked for.
    pub fn collected_marker(&self) -> PathBuf {
        self.data.join("collected")
    }

    /// The cache folder.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The data folder, for messages.
    pub fn data(&self) -> &Path {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mc_home_wins_and_relative_xdg_paths_are_ignored() {
        let mut env = HomeEnv {
            mc_home: Some("/m".into()),
            home: Some("/h".into()),
            ..HomeEnv::default()
        };
        assert_eq!(
            Home::locate(&env).unwrap().store(),
            Path::new("/m/data/store")
        );
        env.mc_home = Some("relative".into());
        assert!(matches!(
            Home::locate(&env),
            Err(LocateHomeError::Relative { .. })
        ));
        env.mc_home = Some("".into());
        env.xdg_data = Some("also/relative".into());
        env.xdg_runtime = Some("/run/user/7".into());
        let home = Home::locate(&env).unwrap();
        assert_eq!(
            home.store(),
            Path::new("/h/.local/share/mutual-cloud/store")
        );
        assert_eq!(home.runtime(), Path::new("/run/user/7/mutual-cloud"));
        assert_eq!(
            Home::locate(&HomeEnv::default()),
            Err(LocateHomeError::None)
        );
    }
}

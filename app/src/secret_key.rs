//! The key that seals cookies: given, or, in the `debug` profile, generated once and stored in a file.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use portico_domain::ports::Randomness;

use crate::config::{SecretKey, Settings};

/// A fresh key.
pub(crate) fn fresh(randomness: &dyn Randomness) -> io::Result<SecretKey> {
    randomness.bytes().map(SecretKey::new).map_err(io::Error::other)
}

/// The key of the settings, else the one in `portico.key` beside the database, which is made
/// when it does not exist: sessions survive a restart.
pub(crate) fn of(settings: &Settings, randomness: &dyn Randomness) -> io::Result<SecretKey> {
    match &settings.secret_key {
        Some(key) => Ok(key.clone()),
        None => stored(&file(settings), randomness, mode_for_others),
    }
}

fn file(settings: &Settings) -> PathBuf {
    let database = settings.database_url.sqlite_file().unwrap_or_default();
    database.with_file_name("portico.key")
}

fn stored(
    file: &Path,
    randomness: &dyn Randomness,
    mode_for_others: impl Fn(&fs::File) -> io::Result<Option<u32>>,
) -> io::Result<SecretKey> {
    let named = |error: io::Error| {
        let remedy = "set ROCKET_SECRET_KEY, or make the file and its folder writable";
        io::Error::new(error.kind(), format!("{}: {error}; {remedy}", file.display()))
    };
    let key = fresh(randomness)?;
    match owner_only().create_new(true).open(file) {
        Ok(mut new) => {
            // FAT and some network shares have one mode for all files, whatever was asked for.
            if mode_for_others(&new).map_err(named)?.is_some() {
                fs::remove_file(file).map_err(named)?;
                let remedy = "set ROCKET_SECRET_KEY to a key that `portico secret` prints";
                let file = file.display();
                let error =
                    format!("{file}: other users could read it on this file system; {remedy}");
                return Err(io::Error::other(error));
            }
            new.write_all(key.expose().as_bytes()).map_err(named)?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut old = fs::File::open(file).map_err(named)?;
            if let Some(mode) = mode_for_others(&old).map_err(named)? {
                let remedy = "delete it, and a new one is made, or chmod 600 it";
                let file = file.display();
                let error = format!("{file}: other users can use it (mode {mode:o}); {remedy}");
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, error));
            }
            let mut text = String::new();
            old.read_to_string(&mut text).map_err(named)?;
            SecretKey::parse(&text).ok_or_else(|| {
                let problem = "it holds no key; delete it, and a new one is made";
                io::Error::other(format!("{}: {problem}", file.display()))
            })
        }
        Err(error) => Err(named(error)),
    }
}

/// The file's mode, where it grants access to others. Always `None` where files have no mode.
fn mode_for_others(file: &fs::File) -> io::Result<Option<u32>> {
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions()) & 0o777;
        Ok((mode & 0o077 != 0).then_some(mode))
    }
    #[cfg(not(unix))]
    Ok(None)
}

fn owner_only() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_contracts::fakes::CountingRandomness;

    #[test]
    fn creates_owner_only_key_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portico.key");
        let randomness = CountingRandomness::default();
        // Its first bytes are zeroes, which are no key.
        randomness.bytes().unwrap();
        let first = stored(&file, &randomness, mode_for_others).unwrap();
        let second = stored(&file, &randomness, mode_for_others).unwrap();
        assert_eq!(second.expose(), first.expose());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn leaves_no_key_where_files_have_no_modes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portico.key");
        for _ in 0..2 {
            let error = stored(&file, &CountingRandomness::default(), |_| Ok(Some(0o755)));
            let error = error.unwrap_err().to_string();
            assert!(error.contains("portico.key: other users could read it"), "{error}");
            assert!(error.contains("ROCKET_SECRET_KEY") && error.lines().count() == 1, "{error}");
            assert!(!file.exists());
        }
    }

    #[test]
    fn reports_malformed_key_file_without_replacing_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portico.key");
        owner_only().create_new(true).open(&file).unwrap().write_all(b"hunter2").unwrap();
        let stored = stored(&file, &CountingRandomness::default(), mode_for_others);
        let error = stored.unwrap_err().to_string();
        assert!(error.contains("portico.key: it holds no key"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "hunter2");
    }
}

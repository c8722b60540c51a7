//! The accounts of the provider, from a file.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use rocket::figment::{
    Figment,
    providers::{Format, Toml},
};
use serde::Deserialize;

use crate::model::accounts::{PASSWORD, READ_ADMIN_MESSAGES, is_email};

/// An account that the provider has from its start. `Debug` hides the password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevelopmentAccount {
    /// The address to log in with, in any case.
    pub email: String,
    /// The password; `portico` where the file has none. The log-in page offers the accounts with
    /// that password as buttons.
    #[serde(default = "default_password")]
    pub password: String,
    /// The full name; `None`: the email address.
    pub name: Option<String>,
    /// The `sub` of the ID token; `None`: `dev|` and the email address.
    pub subject: Option<String>,
    /// What the ID token and the access token list in the claim `permissions`.
    #[serde(default)]
    pub permissions: Vec<String>,
}

fn default_password() -> String {
    PASSWORD.to_owned()
}

/// Why the accounts cannot be read from the file. The text names the file and the account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct InvalidAccounts {
    path: PathBuf,
    problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountsFile {
    accounts: Vec<DevelopmentAccount>,
}

impl DevelopmentAccount {
    /// The password of accounts for which the file has none.
    pub const PASSWORD: &str = PASSWORD;

    /// `user@example.com` without permissions, and `admin@example.com` with
    /// `read:admin-messages`.
    pub fn defaults() -> Vec<Self> {
        let account = |email: &str, name: &str, subject: &str, permissions| Self {
            email: email.into(),
            password: default_password(),
            name: Some(name.into()),
            subject: Some(subject.into()),
            permissions,
        };
        let admin = vec![READ_ADMIN_MESSAGES.to_owned()];
        vec![
            account("user@example.com", "Uma User", "dev|user", Vec::new()),
            account("admin@example.com", "Ada Admin", "dev|admin", admin),
        ]
    }

    /// The accounts of the TOML file at `path`; the [defaults](Self::defaults) where there is no such
    /// file.
    ///
    /// # Errors
    /// [`InvalidAccounts`] where the file cannot be read or is no TOML, has an unknown key, has no
    /// account, or an account without a valid email address of its own, without a password, or with
    /// an empty permission.
    pub fn read(path: &Path) -> Result<Vec<Self>, InvalidAccounts> {
        let invalid = |problem: String| InvalidAccounts { path: path.to_owned(), problem };
        let text = match std::fs::read_to_string(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Self::defaults()),
            read => read.map_err(|cause| invalid(cause.to_string()))?,
        };
        let file: AccountsFile = Figment::from(Toml::string(&text)).extract().map_err(|cause| {
            // Figment would name the source "TOML source string".
            let path = cause.path.join(".");
            let place = if path.is_empty() { path } else { format!("{path}: ") };
            invalid(format!("{place}{}", cause.kind))
        })?;
        if file.accounts.is_empty() {
            return Err(invalid("accounts is empty: add one, or delete the file".into()));
        }
        for (index, account) in file.accounts.iter().enumerate() {
            let Self { email, password, permissions, .. } = account;
            let is_taken = |other: &Self| other.email.eq_ignore_ascii_case(email);
            let problem = if !is_email(email) {
                "email is no email address, such as name@example.com"
            } else if file.accounts.iter().take(index).any(is_taken) {
                "another account has this email address"
            } else if password.is_empty() {
                "password is empty"
            } else if permissions.iter().any(|permission| permission.trim().is_empty()) {
                "permissions has an empty entry"
            } else {
                continue;
            };
            return Err(invalid(format!("accounts.{index} ({email:?}): {problem}")));
        }
        Ok(file.accounts)
    }
}

impl fmt::Debug for DevelopmentAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevelopmentAccount")
            .field("email", &self.email)
            .field("permissions", &self.permissions)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<DevelopmentAccount>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("development.toml");
        std::fs::write(&path, text).unwrap();
        DevelopmentAccount::read(&path).map_err(|error| {
            let text = error.to_string();
            text.strip_prefix(&format!("{}: ", path.display())).unwrap().to_owned()
        })
    }

    #[test]
    fn reads_accounts_with_defaults_for_what_they_omit() {
        let accounts = read(
            "[[accounts]]\nemail = \"ada@example.com\"\npermissions = [\"read:reports\"]\n\
             [[accounts]]\nemail = \"bob@example.com\"\npassword = \"secret\"\nname = \"Bob\"\n",
        )
        .unwrap();
        let [ada, bob] = accounts.as_slice() else { panic!("{accounts:?}") };
        assert_eq!((&*ada.email, &*ada.password), ("ada@example.com", "portico"));
        assert_eq!(ada.permissions, ["read:reports"]);
        assert_eq!((&*bob.password, bob.name.as_deref()), ("secret", Some("Bob")));
        assert!(!format!("{bob:?}").contains("secret"));
    }

    #[test]
    fn reads_documented_account() {
        let document = include_str!("../../docs/add-a-page.md");
        let (_, block) = document.split_once("```toml\n").unwrap();
        let (block, _) = block.split_once("```").unwrap();
        assert_eq!(read(block).unwrap()[0].permissions, ["read:reports"]);
    }

    #[test]
    fn absent_file_means_the_default_accounts() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = DevelopmentAccount::read(&folder.path().join("none.toml")).unwrap();
        assert_eq!(accounts, DevelopmentAccount::defaults());
    }

    #[test]
    fn refuses_malformed_file_and_names_the_account() {
        for (text, expected) in [
            ("accounts = 7", "accounts: "),
            ("[[accounts", "TOML parse error at line 1"),
            ("", "missing field `accounts`"),
            ("accounts = []", "accounts is empty"),
            ("[[accounts]]\nname = \"Ada\"", "missing field `email`"),
            ("[[accounts]]\nemial = \"a@b\"", "emial"),
            ("[[accounts]]\nemail = \"ada\"", "accounts.0 (\"ada\"): email is no email address"),
            (
                "[[accounts]]\nemail = \"a@b\"\n[[accounts]]\nemail = \"A@b\"",
                "accounts.1 (\"A@b\"): another account has this email address",
            ),
            ("[[accounts]]\nemail = \"a@b\"\npassword = \"\"", "password is empty"),
            ("[[accounts]]\nemail = \"a@b\"\npermissions = \"all\"", "permissions"),
            ("[[accounts]]\nemail = \"a@b\"\npermissions = [\" \"]", "an empty entry"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}

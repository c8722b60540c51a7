//! The users' accounts, in memory.

use std::sync::{Arc, Mutex, PoisonError};

use subtle::ConstantTimeEq;

use crate::accounts_file::DevelopmentAccount;

/// The permission that the messages API requires for the admin message.
pub(crate) const READ_ADMIN_MESSAGES: &str = "read:admin-messages";

/// The password of accounts for which the file has none.
pub(crate) const PASSWORD: &str = "portico";

/// An account. No `Debug`, because it would show the password.
pub(crate) struct Account {
    pub(crate) subject: String,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) email_verified: bool,
    pub(crate) permissions: Vec<String>,
    password: String,
}

impl Account {
    fn has_password(&self, password: &str) -> bool {
        self.password.as_bytes().ct_eq(password.as_bytes()).into()
    }

    /// The initials of the first and the last name, for the picture; the first letter of the e-mail
    /// address if the name has no letter from A to Z.
    pub(crate) fn initials(&self) -> String {
        let letter = |word: &str| word.chars().find(char::is_ascii_alphanumeric);
        let mut words = self.name.split_whitespace().filter_map(letter);
        let first = words.next().or_else(|| letter(&self.email)).unwrap_or('x');
        let initials = [Some(first), words.next_back()];
        initials.into_iter().flatten().collect::<String>().to_ascii_uppercase()
    }
}

/// Why the sign-up is refused. The messages are shown to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignUpError {
    #[error("Enter an email address, such as name@example.com.")]
    NoEmail,
    #[error("Choose a password.")]
    NoPassword,
    #[error("There is already an account with this email address.")]
    Taken,
}

/// Whether the text can be an email address: something on both sides of an `@`, and no space.
pub(crate) fn is_email(text: &str) -> bool {
    let has_both_sides = |(local, host): (&str, &str)| !local.is_empty() && !host.is_empty();
    text.split_once('@').is_some_and(has_both_sides) && !text.contains(char::is_whitespace)
}

/// All accounts.
pub(crate) struct Accounts(Mutex<Vec<Arc<Account>>>);

impl Accounts {
    /// These accounts.
    pub(crate) fn new(initial: &[DevelopmentAccount]) -> Self {
        let account = |account: &DevelopmentAccount| {
            let DevelopmentAccount { email, password, name, subject, permissions } =
                account.clone();
            Arc::new(Account {
                subject: subject.unwrap_or_else(|| format!("dev|{email}")),
                name: name.unwrap_or_else(|| email.clone()),
                email,
                email_verified: true,
                permissions,
                password,
            })
        };
        Self(Mutex::new(initial.iter().map(account).collect()))
    }

    /// The account; `None` when the e-mail address or the password is wrong.
    pub(crate) fn log_in(&self, email: &str, password: &str) -> Option<Arc<Account>> {
        let account = self.find(email)?;
        account.has_password(password).then_some(account)
    }

    /// Adds an account without permissions. `id` becomes part of its subject.
    pub(crate) fn sign_up(
        &self,
        id: &str,
        email: &str,
        password: &str,
        name: &str,
    ) -> Result<Arc<Account>, SignUpError> {
        let (email, name) = (email.trim(), name.trim());
        if !is_email(email) {
            return Err(SignUpError::NoEmail);
        }
        if password.is_empty() {
            return Err(SignUpError::NoPassword);
        }
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.iter().any(|account| account.email.eq_ignore_ascii_case(email)) {
            return Err(SignUpError::Taken);
        }
        let account = Arc::new(Account {
            subject: format!("dev|{id}"),
            email: email.into(),
            name: if name.is_empty() { email.into() } else { name.into() },
            email_verified: false,
            permissions: Vec::new(),
            password: password.into(),
        });
        accounts.push(Arc::clone(&account));
        Ok(account)
    }

    /// The e-mail addresses of the accounts whose password is [`PASSWORD`], in the order in which
    /// the accounts were made.
    pub(crate) fn with_well_known_password(&self) -> Vec<String> {
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let well_known = accounts.iter().filter(|account| account.has_password(PASSWORD));
        well_known.map(|account| account.email.clone()).collect()
    }

    /// All accounts, in the order in which they were made.
    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find(&self, email: &str) -> Option<Arc<Account>> {
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().find(|account| account.email.eq_ignore_ascii_case(email.trim())).cloned()
    }
}

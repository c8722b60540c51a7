//! What was granted to the client: codes, access tokens and refresh tokens that are still good.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::accounts::Account;

/// How long a code is good for.
pub(super) const CODE_LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// How long an access token is good for.
pub(super) const TOKEN_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// What one login entitles the client to.
#[derive(Clone)]
pub(super) struct Grant {
    /// Names the grant; everything issued from it falls together.
    pub(super) id: String,
    pub(super) account: Arc<Account>,
    pub(super) scope: Vec<String>,
    pub(super) audience: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) auth_time: DateTime<Utc>,
    /// `None` once refreshed: the sign-in may be gone by then.
    pub(super) sid: Option<String>,
}

impl Grant {
    pub(super) fn has(&self, scope: &str) -> bool {
        self.scope.iter().any(|granted| granted == scope)
    }
}

/// A code, and what the request for it said.
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) redirect_uri: String,
    /// The PKCE code challenge, S256.
    pub(super) challenge: String,
    pub(super) expires: DateTime<Utc>,
}

/// What became of a code.
pub(super) enum Redeemed {
    Good(Box<Code>),
    /// It had been redeemed before; everything issued from it is now revoked.
    Again,
    Unknown,
}

#[derive(Default)]
struct Issued {
    codes: HashMap<String, Code>,
    /// The codes redeemed, and the grants they stood for.
    redeemed: HashMap<String, String>,
    access: HashMap<String, (Grant, DateTime<Utc>)>,
    refresh: HashMap<String, Grant>,
    /// The refresh tokens used up, and their grants.
    rotated: HashMap<String, String>,
}

impl Issued {
    fn revoke(&mut self, grant: &str) {
        self.access.retain(|_, (issued, _)| issued.id != grant);
        self.refresh.retain(|_, issued| issued.id != grant);
    }
}

/// All of it.
#[derive(Default)]
pub(super) struct Grants(Mutex<Issued>);

impl Grants {
    pub(super) fn add_code(&self, code: String, meaning: Code) {
        self.lock().codes.insert(code, meaning);
    }

    /// Takes the code away, whatever comes of it: a code is good for one try.
    pub(super) fn redeem(&self, code: &str) -> Redeemed {
        let mut issued = self.lock();
        if let Some(meaning) = issued.codes.remove(code) {
            issued.redeemed.insert(code.into(), meaning.grant.id.clone());
            return Redeemed::Good(Box::new(meaning));
        }
        match issued.redeemed.get(code).cloned() {
            Some(grant) => {
                issued.revoke(&grant);
                Redeemed::Again
            }
            None => Redeemed::Unknown,
        }
    }

    pub(super) fn add_access(&self, token: String, grant: Grant, expires: DateTime<Utc>) {
        self.lock().access.insert(token, (grant, expires));
    }

    /// The grant of an access token that is still good.
    pub(super) fn of_access(&self, token: &str, now: DateTime<Utc>) -> Option<Grant> {
        let mut issued = self.lock();
        issued.access.retain(|_, (_, expires)| *expires > now);
        issued.access.get(token).map(|(grant, _)| grant.clone())
    }

    pub(super) fn add_refresh(&self, token: String, grant: Grant) {
        self.lock().refresh.insert(token, grant);
    }

    /// The grant of a refresh token, which `keep` may refuse to use up. One used before revokes
    /// its grant (RFC 9700, section 4.14.2).
    pub(super) fn take_refresh(
        &self,
        token: &str,
        keep: impl FnOnce(&Grant) -> bool,
    ) -> Option<Grant> {
        let mut issued = self.lock();
        if let Some(grant) = issued.rotated.get(token).cloned() {
            issued.revoke(&grant);
            return None;
        }
        let grant = issued.refresh.get(token)?.clone();
        if !keep(&grant) {
            issued.refresh.remove(token);
            issued.rotated.insert(token.into(), grant.id.clone());
        }
        Some(grant)
    }

    /// The token and whatever came of its grant.
    pub(super) fn revoke(&self, token: &str) {
        let mut issued = self.lock();
        let refresh = issued.refresh.get(token).map(|grant| grant.id.clone());
        let access = issued.access.get(token).map(|(grant, _)| grant.id.clone());
        if let Some(grant) = refresh.or(access) {
            issued.revoke(&grant);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Issued> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

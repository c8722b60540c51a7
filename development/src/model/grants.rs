//! What was granted to the client: codes, access tokens and refresh tokens that are still good.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::accounts::Account;

/// How long a code is good for.
pub(crate) const CODE_LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// How long an access token is good for.
pub(crate) const TOKEN_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// What one login entitles the client to.
#[derive(Clone)]
pub(crate) struct Grant {
    /// Names the grant; everything issued from it falls together.
    pub(crate) id: String,
    pub(crate) account: Arc<Account>,
    pub(crate) scope: Vec<String>,
    pub(crate) audience: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) auth_time: DateTime<Utc>,
    /// `None` once refreshed: the sign-in may be gone by then.
    pub(crate) sid: Option<String>,
}

impl Grant {
    pub(crate) fn has(&self, scope: &str) -> bool {
        self.scope.iter().any(|granted| granted == scope)
    }
}

/// A code, and what the request for it said.
pub(crate) struct AuthorizationCode {
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    /// The PKCE code challenge, S256.
    pub(crate) challenge: String,
    pub(crate) expires: DateTime<Utc>,
}

/// What became of a code.
pub(crate) enum Redemption {
    Good(Box<AuthorizationCode>),
    /// It had been redeemed before; everything issued from it is now revoked.
    Again,
    Unknown,
}

#[derive(Default)]
struct IssuedTokens {
    codes: HashMap<String, AuthorizationCode>,
    /// The codes redeemed, and the grants they stood for.
    redeemed: HashMap<String, String>,
    access: HashMap<String, (Grant, DateTime<Utc>)>,
    refresh: HashMap<String, Grant>,
    /// The refresh tokens used up, and their grants.
    rotated: HashMap<String, String>,
}

impl IssuedTokens {
    fn revoke(&mut self, grant: &str) {
        self.access.retain(|_, (issued, _)| issued.id != grant);
        self.refresh.retain(|_, issued| issued.id != grant);
    }
}

/// All of it.
#[derive(Default)]
pub(crate) struct Grants(Mutex<IssuedTokens>);

impl Grants {
    pub(crate) fn add_code(&self, code: String, meaning: AuthorizationCode) {
        self.lock().codes.insert(code, meaning);
    }

    /// Takes the code away, whatever comes of it: a code is good for one try.
    pub(crate) fn redeem(&self, code: &str) -> Redemption {
        let mut issued = self.lock();
        if let Some(meaning) = issued.codes.remove(code) {
            issued.redeemed.insert(code.into(), meaning.grant.id.clone());
            return Redemption::Good(Box::new(meaning));
        }
        match issued.redeemed.get(code).cloned() {
            Some(grant) => {
                issued.revoke(&grant);
                Redemption::Again
            }
            None => Redemption::Unknown,
        }
    }

    pub(crate) fn add_access(&self, token: String, grant: Grant, expires: DateTime<Utc>) {
        self.lock().access.insert(token, (grant, expires));
    }

    /// The grant of an access token that is still good.
    pub(crate) fn of_access(&self, token: &str, now: DateTime<Utc>) -> Option<Grant> {
        let mut issued = self.lock();
        issued.access.retain(|_, (_, expires)| *expires > now);
        issued.access.get(token).map(|(grant, _)| grant.clone())
    }

    pub(crate) fn add_refresh(&self, token: String, grant: Grant) {
        self.lock().refresh.insert(token, grant);
    }

    /// The grant of a refresh token, which `keep` may refuse to use up. One used before revokes
    /// its grant (RFC 9700, section 4.14.2).
    pub(crate) fn take_refresh(
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
    pub(crate) fn revoke(&self, token: &str) {
        let mut issued = self.lock();
        let refresh = issued.refresh.get(token).map(|grant| grant.id.clone());
        let access = issued.access.get(token).map(|(grant, _)| grant.id.clone());
        if let Some(grant) = refresh.or(access) {
            issued.revoke(&grant);
        }
    }

    fn lock(&self) -> MutexGuard<'_, IssuedTokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Grants, and the codes, access tokens and refresh tokens that were issued for them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::accounts::Account;

/// The lifetime of an authorization code.
pub(crate) const CODE_LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// The lifetime of access tokens and ID tokens.
pub(crate) const TOKEN_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// What a log-in grants to the client.
#[derive(Clone)]
pub(crate) struct Grant {
    /// Links all tokens of the grant, which are revoked together.
    pub(crate) id: String,
    pub(crate) account: Arc<Account>,
    pub(crate) scope: Vec<String>,
    pub(crate) audience: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) auth_time: DateTime<Utc>,
    /// `None` after a refresh, because the session may have ended.
    pub(crate) sid: Option<String>,
}

impl Grant {
    pub(crate) fn has(&self, scope: &str) -> bool {
        self.scope.iter().any(|granted| granted == scope)
    }
}

/// The data of an authorization code.
pub(crate) struct AuthorizationCode {
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    /// The PKCE code challenge, S256.
    pub(crate) challenge: String,
    pub(crate) expires: DateTime<Utc>,
}

/// The result of redeeming a code.
pub(crate) enum Redemption {
    Valid(Box<AuthorizationCode>),
    /// It was redeemed before. All tokens of its grant are now revoked.
    Replayed,
    Unknown,
}

#[derive(Default)]
struct IssuedTokens {
    codes: HashMap<String, AuthorizationCode>,
    /// The ids of the grants of redeemed codes.
    redeemed: HashMap<String, String>,
    access: HashMap<String, (Grant, DateTime<Utc>)>,
    refresh: HashMap<String, Grant>,
    /// The ids of the grants of used refresh tokens.
    rotated: HashMap<String, String>,
}

impl IssuedTokens {
    fn revoke(&mut self, grant: &str) {
        self.access.retain(|_, (issued, _)| issued.id != grant);
        self.refresh.retain(|_, issued| issued.id != grant);
    }
}

/// All grants and tokens.
#[derive(Default)]
pub(crate) struct Grants(Mutex<IssuedTokens>);

impl Grants {
    pub(crate) fn add_code(&self, code: String, data: AuthorizationCode) {
        self.lock().codes.insert(code, data);
    }

    /// Redeems a code. It is removed even if the request then fails: a code can be used once.
    pub(crate) fn redeem(&self, code: &str) -> Redemption {
        let mut issued = self.lock();
        if let Some(data) = issued.codes.remove(code) {
            issued.redeemed.insert(code.into(), data.grant.id.clone());
            return Redemption::Valid(Box::new(data));
        }
        match issued.redeemed.get(code).cloned() {
            Some(grant) => {
                issued.revoke(&grant);
                Redemption::Replayed
            }
            None => Redemption::Unknown,
        }
    }

    pub(crate) fn add_access(&self, token: String, grant: Grant, expires: DateTime<Utc>) {
        self.lock().access.insert(token, (grant, expires));
    }

    /// The grant of an access token; `None` if it is unknown, revoked or expired.
    pub(crate) fn of_access(&self, token: &str, now: DateTime<Utc>) -> Option<Grant> {
        let mut issued = self.lock();
        issued.access.retain(|_, (_, expires)| *expires > now);
        issued.access.get(token).map(|(grant, _)| grant.clone())
    }

    pub(crate) fn add_refresh(&self, token: String, grant: Grant) {
        self.lock().refresh.insert(token, grant);
    }

    /// The grant of a refresh token, which is then used up unless `keep` returns true. `None` if it
    /// is unknown. A token that was used before revokes its grant (RFC 9700, section 4.14.2).
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

    /// Revokes the grant of an access token or refresh token.
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

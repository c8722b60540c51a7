//! What the claims of a provider permit.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::{
    ClaimPath, ClaimSource, Grant, Permission, Permissions, claim_path::texts,
    permission::SITE_PERMISSIONS,
};

/// Maximum number of permissions of a user: they are stored in the session, which may be in cookies.
const MAX_PERMISSIONS: usize = 100;
/// Maximum length of one name, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// Maximum length of all names together, in bytes.
const MAX_TOTAL_BYTES: usize = 3_000;
/// Maximum number of claims that are reported as only referred to.
const MAX_REFERRED: usize = 10;

/// The claims that grant permissions, and what their values mean here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionRules {
    /// Where permissions, roles or groups are found.
    pub claims: Vec<ClaimPath>,
    /// The permissions that a value stands for. A value that is not named here is itself the name
    /// of a permission.
    pub mapping: BTreeMap<String, Vec<Permission>>,
}

impl Default for PermissionRules {
    /// The claim `permissions`, as Auth0 writes it.
    fn default() -> Self {
        Self {
            claims: ClaimPath::parse("permissions").into_iter().collect(),
            mapping: BTreeMap::new(),
        }
    }
}

/// The verified claims of one log-in or refresh. A source that said nothing is `None`, one that
/// stated no claims is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatedClaims<'a> {
    /// Those of the ID token; `None` where a refresh brought none.
    pub id_token: Option<&'a Map<String, Value>>,
    /// Those of userinfo; `None` where it was not requested or failed.
    pub userinfo: Option<&'a Map<String, Value>>,
    /// Those of the access token; empty where it is no JWT of the provider, `None` where it cannot
    /// be verified now.
    pub access_token: Option<&'a Map<String, Value>>,
}

impl<'a> StatedClaims<'a> {
    fn of(&self, source: ClaimSource) -> Option<&'a Map<String, Value>> {
        match source {
            ClaimSource::IdToken => self.id_token,
            ClaimSource::Userinfo => self.userinfo,
            ClaimSource::AccessToken => self.access_token,
        }
    }

    /// Those that said something, the one that is preferred first.
    fn iter(self) -> impl Iterator<Item = (ClaimSource, &'a Map<String, Value>)> {
        [ClaimSource::IdToken, ClaimSource::Userinfo, ClaimSource::AccessToken]
            .into_iter()
            .filter_map(move |source| Some((source, self.of(source)?)))
    }
}

/// What was decided, and what the operator should be told about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionDecision {
    /// What the user may do.
    pub permissions: Permissions,
    /// The claims that are neither an array nor a text, and therefore grant nothing.
    pub malformed: Vec<ClaimPath>,
    /// How many names were left out: a user has at most 100, of 200 bytes each and 3,000 bytes
    /// together.
    pub left_out: usize,
}

impl PermissionRules {
    /// Whether these claims have one that may grant something.
    pub fn apply_to(&self, claims: &Map<String, Value>) -> bool {
        self.claims.iter().any(|path| path.find(claims).is_some())
    }

    /// Whether the settings name other claims than the default one.
    pub fn are_set(&self) -> bool {
        self.claims != Self::default().claims
    }

    /// Decides what the user may do. For each claim the first source that states it counts: ID
    /// token, userinfo, access token. A claim that none of them states grants nothing, except what
    /// it granted in `earlier` by a source that says nothing this time.
    ///
    /// Where names have to be left out, those stay that the mapping or the site itself names.
    pub fn decide(&self, stated: StatedClaims<'_>, earlier: &Permissions) -> PermissionDecision {
        let mut decision = PermissionDecision::default();
        let mut grants = Vec::new();
        for path in &self.claims {
            let mut values = None;
            for (source, claims) in stated.iter() {
                let Some(value) = path.find(claims) else { continue };
                match texts(value) {
                    Some(texts) => {
                        values = Some((source, texts));
                        break;
                    }
                    None => decision.malformed.push(path.clone()),
                }
            }
            match values {
                Some((source, texts)) => {
                    let permissions = texts.into_iter().flat_map(|text| self.mapped(text));
                    let permissions = permissions.collect();
                    grants.push(Grant { source, claim: path.as_str().to_owned(), permissions });
                }
                None => grants.extend(
                    earlier
                        .grants()
                        .iter()
                        .filter(|grant| grant.claim == path.as_str())
                        .filter(|grant| stated.of(grant.source).is_none())
                        .cloned(),
                ),
            }
        }
        decision.malformed.dedup();
        decision.left_out = self.limit(&mut grants);
        grants.retain(|grant| !grant.permissions.is_empty());
        decision.permissions = Permissions::new(grants, self.only_referred(stated));
        decision
    }

    fn mapped(&self, value: &str) -> Vec<Permission> {
        self.mapping.get(value).cloned().unwrap_or_else(|| vec![Permission::new(value)])
    }

    /// Removes repeated names and those beyond the limits. Returns the number of the latter.
    fn limit(&self, grants: &mut [Grant]) -> usize {
        let mapped: HashSet<_> = self.mapping.values().flatten().map(Permission::as_str).collect();
        let matters = |permission: &Permission| {
            let name = permission.as_str();
            mapped.contains(name) || SITE_PERMISSIONS.contains(&name)
        };
        let mut seen = HashSet::new();
        for grant in grants.iter_mut() {
            grant.permissions.retain(|permission| {
                !permission.as_str().is_empty() && seen.insert(permission.clone())
            });
        }
        let (mut count, mut bytes) = (0, 0);
        let mut has_room = |permission: &Permission| {
            let length = permission.as_str().len();
            let fits = length <= MAX_NAME_BYTES
                && count < MAX_PERMISSIONS
                && bytes + length <= MAX_TOTAL_BYTES;
            if fits {
                count += 1;
                bytes += length;
            }
            fits
        };
        let mut chosen = HashSet::new();
        for first in [true, false] {
            let all = grants.iter().flat_map(|grant| &grant.permissions);
            for permission in all.filter(|permission| matters(permission) == first) {
                if has_room(permission) {
                    chosen.insert(permission.clone());
                }
            }
        }
        for grant in grants.iter_mut() {
            grant.permissions.retain(|permission| chosen.contains(permission));
        }
        seen.len() - chosen.len()
    }

    /// Distributed and aggregated claims (OpenID Connect Core, section 5.6.2), which Entra ID sends
    /// for a user of very many groups; and its `hasgroups`.
    fn only_referred(&self, stated: StatedClaims<'_>) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for (_, claims) in stated.iter() {
            let referred = claims.get("_claim_names").and_then(Value::as_object);
            let names = referred.into_iter().flat_map(Map::keys).map(String::as_str);
            let groups = match claims.get("hasgroups") {
                Some(Value::Bool(true)) => Some("groups"),
                Some(Value::String(text)) if text == "true" => Some("groups"),
                _ => None,
            };
            for name in names.chain(groups) {
                let matters = self.claims.iter().any(|path| path.is_within(name));
                if matters && all.len() < MAX_REFERRED && !all.iter().any(|other| other == name) {
                    all.push(name.to_owned());
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests;

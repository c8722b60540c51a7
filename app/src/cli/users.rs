use std::{io, process::ExitCode};

use clap::{Subcommand, builder::NonEmptyStringValueParser};
use portico_domain::{
    model::{Permissions, Subject, User},
    use_cases::DeleteUser,
};

use super::{
    Failed, finish_revocations,
    output::{self, plain},
};
use crate::{
    assemble::{open_provider, open_registry, open_users},
    config::Settings,
    open_database,
};

#[derive(Subcommand)]
pub(super) enum UsersCommand {
    /// List users, the latest login first.
    List {
        /// Maximum number of users.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Show one user's record, and what the user may do by which claims.
    Show(Identity),
    /// Delete one user, and end the user's sessions.
    Delete(Identity),
}

#[derive(clap::Args)]
pub(super) struct Identity {
    /// The provider and the user's identifier there, as `users list` shows them; the last two
    /// arguments. The identifier may begin with a hyphen.
    // One argument of two values: whatever follows the issuer is text, also `-h` and `--help`. The
    // third value is for those who write `--` before the subject.
    #[arg(
        required = true,
        num_args = 2..=3,
        value_names = ["ISSUER", "SUBJECT"],
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_parser = NonEmptyStringValueParser::new(),
    )]
    identity: Vec<String>,
}

impl Identity {
    fn subject(&self) -> Result<Subject, Failed> {
        match &*self.identity {
            [issuer, subject] => Ok(Subject::new(issuer, subject)),
            [issuer, separator, subject] if separator == "--" => Ok(Subject::new(issuer, subject)),
            _ => Err("expected an issuer and a subject, and nothing behind them".into()),
        }
    }
}

pub(super) async fn run(command: UsersCommand, settings: Settings) -> Result<ExitCode, Failed> {
    if !matches!(command, UsersCommand::Delete(_)) {
        output::require_open()?;
    }
    let database = open_database(&settings)?;
    let users = open_users(&database);
    let found = match command {
        UsersCommand::List { limit } => {
            for user in users.list(limit).await? {
                let email = user.profile.email.as_deref().unwrap_or("-");
                let User { subject: Subject { issuer, subject }, last_login, logins, .. } = &user;
                let line = format!("{last_login}  {logins:>5}  {issuer}  {subject}  {email}");
                output::print(plain(&line))?;
            }
            true
        }
        UsersCommand::Show(identity) => match users.find(&identity.subject()?).await? {
            Some(user) => {
                show(&user)?;
                true
            }
            None => false,
        },
        UsersCommand::Delete(identity) => {
            let registry = open_registry(&settings, &database)?;
            let provider = open_provider(&settings)?;
            let delete =
                DeleteUser { users: &*users, registry: &*registry, identity: provider.as_deref() };
            let found = delete.run(&identity.subject()?).await?;
            if let Some(provider) = provider {
                finish_revocations(&*provider).await;
            }
            found
        }
    };
    if !found {
        output::print_error("no user with that issuer and subject");
    }
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(user: &User) -> io::Result<()> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    let verified =
        user.profile.email_verified.map_or("unknown".into(), |verified| verified.to_string());
    for (name, value) in [
        ("issuer", user.subject.issuer.clone()),
        ("subject", user.subject.subject.clone()),
        ("name", text(&user.profile.name)),
        ("nickname", text(&user.profile.nickname)),
        ("picture", text(&user.profile.picture)),
        ("email", text(&user.profile.email)),
        ("email verified", verified),
        ("first seen", user.first_seen.to_string()),
        ("last login", user.last_login.to_string()),
        ("logins", user.logins.to_string()),
    ] {
        print_row(name, &value)?;
    }
    for row in permission_rows(user.permissions.as_ref()) {
        print_row("permission", &row)?;
    }
    for claim in user.permissions.iter().flat_map(Permissions::only_referred) {
        let why = "grants nothing: the provider only refers to it (_claim_names, hasgroups)";
        print_row("claim", &format!("{claim} {why}"))?;
    }
    Ok(())
}

fn print_row(name: &str, value: &str) -> io::Result<()> {
    output::print(format_args!("{name:15} {}", plain(value)))
}

/// A row for each permission, with its claim.
fn permission_rows(permissions: Option<&Permissions>) -> Vec<String> {
    let Some(permissions) = permissions else {
        return vec!["unknown until the user's next login".into()];
    };
    let rows = permissions.grants().iter().flat_map(|grant| {
        let by = format!("by the claim {} ({})", grant.claim, grant.source);
        grant.permissions.iter().map(move |permission| format!("{} {by}", permission.as_str()))
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() { vec!["none".into()] } else { rows }
}

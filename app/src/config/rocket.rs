//! Rocket's own settings, checked before Rocket reads them: it names neither the key as it was
//! written nor all problems at once, and ignores what this build cannot do.

use std::num::NonZeroU16;

use figment::Figment;
use rocket::{
    config::{Ident, Shutdown},
    data::Limits,
};
use serde::de::DeserializeOwned;

use super::reader::{ROCKET, Reader};

type Check = fn(&Figment, &str) -> bool;

/// Their names without `ROCKET_`, what is expected, and whether the value is that.
const ALL: [(&str, &str, Check); 15] = [
    ("address", "an IP address", is::<std::net::IpAddr>),
    ("port", "a port from 0 to 65535", is::<u16>),
    ("workers", "a number of threads from 1 to 65535", is::<NonZeroU16>),
    ("max_blocking", "a number of threads from 1 to 65535", is::<NonZeroU16>),
    ("ident", "a name for the header Server, or false", is::<Ident>),
    ("limits", "sizes such as {form=\"32KiB\"}", is::<Limits>),
    ("temp_dir", "a folder", is::<String>),
    ("template_dir", "a folder that exists", is_folder),
    ("keep_alive", "a number of seconds; 0 for none", is::<u32>),
    ("shutdown", "a table such as {ctrlc=true, grace=2}", is::<Shutdown>),
    ("log_level", "off, critical, normal or debug", is_log_level),
    ("cli_colors", "true or false", is_flag),
    ("profile", "the name of a profile", |_, _| true),
    ("tls", "no value: Portico speaks plain HTTP, and a proxy in front of it speaks TLS", never),
    ("ip_header", "no value: TRUSTED_PROXIES says whose X-Forwarded-For is trusted", never),
];

/// All keys, as the environment spells them.
pub(super) fn keys() -> impl Iterator<Item = String> {
    ALL.iter().map(|(name, ..)| format!("{ROCKET}{}", name.to_ascii_uppercase()))
}

/// Notes what is malformed, and what this build cannot honour.
pub(super) fn check(read: &mut Reader, rocket: &Figment) {
    for ((name, expected, is_valid), key) in ALL.iter().zip(keys()) {
        if read.text(&key).is_some() && !is_valid(rocket, name) {
            read.refuse(&key, expected);
        }
    }
}

fn is<T: DeserializeOwned>(rocket: &Figment, name: &str) -> bool {
    rocket.extract_inner::<T>(name).is_ok()
}

/// As Rocket reads it: `1` and `0` are flags too.
fn is_flag(rocket: &Figment, name: &str) -> bool {
    is::<bool>(rocket, name) || rocket.extract_inner::<u8>(name).is_ok_and(|flag| flag < 2)
}

/// Rocket reads the path from the working directory, as it is merged without the file it came from.
fn is_folder(rocket: &Figment, name: &str) -> bool {
    rocket.extract_inner::<String>(name).is_ok_and(|path| std::path::Path::new(&path).is_dir())
}

fn is_log_level(rocket: &Figment, name: &str) -> bool {
    let is_level = |level: String| matches!(&*level, "off" | "critical" | "normal" | "debug");
    rocket.extract_inner::<String>(name).is_ok_and(is_level)
}

fn never(_: &Figment, _: &str) -> bool {
    false
}

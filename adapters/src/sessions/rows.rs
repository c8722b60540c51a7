//! How sessions and what concerns them are kept. None of this leaves the folder. Times are
//! milliseconds since the epoch.

diesel::table! {
    sessions (key) {
        key -> Binary,
        sealed -> Binary,
        person -> Binary,
        provider_session -> Nullable<Binary>,
        ends_at -> BigInt,
        turn -> Nullable<Binary>,
        turn_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    used_values (hash) {
        hash -> Binary,
        until -> BigInt,
    }
}

diesel::table! {
    revocations (number) {
        number -> BigInt,
        target -> Binary,
        except -> Nullable<Binary>,
        revoked_at -> BigInt,
        forget_at -> BigInt,
    }
}

//! `spec.authentication` and `spec.tls` -> how workers log in to Kafka.

use kaspr_crds::{Authentication, AuthenticationType};

use crate::invalid::Invalid;

/// How workers log in to Kafka, in the words of its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub protocol: &'static str,
    /// The login, where SASL is on.
    pub sasl: Option<Sasl>,
}

/// One SASL login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: &'static str,
    /// The user; empty where the user's own environment names it.
    pub username: String,
    /// The Secret that holds the password, in the app's namespace.
    pub secret: String,
    /// The key in that Secret.
    pub key: String,
}

/// What a login is read from.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// `spec.authentication`.
    pub spec: &'a Authentication,
    /// Whether `spec.tls` is there.
    pub is_tls: bool,
    /// Whether the user's own environment names the user.
    pub has_own_username: bool,
}

impl Security {
    /// Reads the login; every problem goes to `problems`.
    pub fn parse(login: &Login<'_>, problems: &mut Vec<Invalid>) -> Self {
        let Login { spec: login, is_tls: tls, has_own_username } = *login;
        let username = login.username.as_deref().filter(|name| !name.is_empty());
        let mechanism = match login.kind {
            AuthenticationType::Plain if username.is_none() => {
                return Self { protocol: if tls { "SSL" } else { "PLAINTEXT" }, sasl: None };
            }
            AuthenticationType::Plain => "PLAIN",
            AuthenticationType::ScramSha256 => "SCRAM-SHA-256",
            AuthenticationType::ScramSha512 => "SCRAM-SHA-512",
        };
        let secret = login.password_secret.as_ref();
        let mut need = |value: Option<&str>, field: &str, what: &str| {
            let value = value.filter(|value| !value.is_empty());
            if value.is_none() {
                problems.push(Invalid::new(
                    format!("spec.authentication.{field}"),
                    format!("{mechanism} needs it"),
                    format!("add {what}"),
                ));
            }
            value.unwrap_or_default().to_owned()
        };
        let sasl = Sasl {
            mechanism,
            username: match username {
                None if has_own_username => String::new(),
                username => need(username, "username", "the user to log in as"),
            },
            secret: need(
                secret.and_then(|secret| secret.secret_name.as_deref()),
                "passwordSecret.secretName",
                "the name of the Secret with the password",
            ),
            key: need(
                secret.and_then(|secret| secret.password_key.as_deref()),
                "passwordSecret.passwordKey",
                "the key of the password in that Secret",
            ),
        };
        Self { protocol: if tls { "SASL_SSL" } else { "SASL_PLAINTEXT" }, sasl: Some(sasl) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(login: Value, tls: bool, protocol: &str, mechanism: Option<&str>) {
        let login: Authentication = serde_json::from_value(login).unwrap();
        let mut problems = Vec::new();
        let login = Login { spec: &login, is_tls: tls, has_own_username: false };
        let security = Security::parse(&login, &mut problems);
        assert_eq!(problems, []);
        assert_eq!(security.protocol, protocol);
        assert_eq!(security.sasl.map(|sasl| sasl.mechanism), mechanism);
    }

    #[test]
    fn the_table_of_protocols_holds() {
        let secret = json!({"secretName": "s", "passwordKey": "p"});
        let login = |kind: &str| json!({"type": kind, "username": "u", "passwordSecret": secret});
        check(json!({"type": "plain"}), false, "PLAINTEXT", None);
        check(json!({"type": "plain"}), true, "SSL", None);
        check(login("plain"), false, "SASL_PLAINTEXT", Some("PLAIN"));
        check(login("plain"), true, "SASL_SSL", Some("PLAIN"));
        check(login("scram-sha-256"), false, "SASL_PLAINTEXT", Some("SCRAM-SHA-256"));
        check(login("scram-sha-512"), true, "SASL_SSL", Some("SCRAM-SHA-512"));
    }

    #[test]
    fn a_login_without_its_parts_names_each() {
        let login = serde_json::from_value(json!({"type": "scram-sha-512"})).unwrap();
        let mut problems = Vec::new();
        let login = Login { spec: &login, is_tls: false, has_own_username: false };
        Security::parse(&login, &mut problems);
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(
            fields,
            ["username", "passwordSecret.secretName", "passwordSecret.passwordKey"]
                .map(|field| format!("spec.authentication.{field}"))
        );
    }
}

//! Settings of Matrix. They are the same in every build, so that a file fits all of them.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::address;
use crate::config::masked;

/// A Matrix account; without `password` and without `token` there is none.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixConfig {
    /// Where the homeserver is.
    pub homeserver: String,
    /// The account, `@ops:example.org`, whose password is given.
    pub user: String,
    /// The account's password.
    #[serde(default, serialize_with = "masked", skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretString>,
    /// Instead of a password, the access token of a session that nothing else uses.
    #[serde(default, serialize_with = "masked", skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretString>,
    /// What opens the account's secrets on the homeserver.
    #[serde(default, serialize_with = "masked", skip_serializing_if = "Option::is_none")]
    pub recovery_key: Option<SecretString>,
    /// Servers and people that the bot hears; empty is everybody on its own homeserver.
    pub allow: Vec<String>,
    /// Whether the homeserver's word for who sent something suffices where nothing is encrypted.
    pub trust_server: bool,
    /// Whether only devices that their owner signed read what the bot says.
    pub only_signed_devices: bool,
}

fn given(secret: Option<&SecretString>) -> Option<&SecretString> {
    secret.filter(|secret| !secret.expose_secret().is_empty())
}

impl MatrixConfig {
    /// The password and the token, as far as they are given.
    pub(crate) fn secrets(&self) -> (Option<&SecretString>, Option<&SecretString>) {
        (given(self.password.as_ref()), given(self.token.as_ref()))
    }

    /// What the types cannot say: one sentence.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.secrets() {
            (None, None) => return Ok(()),
            (Some(_), Some(_)) => {
                return Err(
                    "`matrix.password` and `matrix.token` are both set: take one out".to_owned()
                );
            }
            (Some(_), None) if !is_user(&self.user) => {
                return Err(format!(
                    "`matrix.user` is `{}`, and the password needs the account's whole id: write it like \
                     @ops:example.org",
                    self.user
                ));
            }
            _ => {}
        }
        let unknown = self.allow.iter().find(|it| !is_user(it) && !is_server(it));
        if let Some(unknown) = unknown {
            return Err(format!(
                "`matrix.allow` names `{unknown}`: write a server such as example.org, or somebody such as \
                 @ana:example.org"
            ));
        }
        self.address().map(drop)
    }

    pub(super) fn address(&self) -> Result<url::Url, String> {
        address("matrix.homeserver", &self.homeserver, "https://matrix.example.org")
    }
}

fn is_user(text: &str) -> bool {
    let parts = text.strip_prefix('@').and_then(|rest| rest.split_once(':'));
    parts.is_some_and(|(name, server)| !name.is_empty() && is_server(server))
}

fn is_server(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b':' | b'[' | b']'))
}

#[cfg(feature = "matrix")]
mod adapter {
    use std::path::{Path, PathBuf};

    use matrix::{Login, Matrix, Settings};

    use super::{MatrixConfig, given};
    use crate::{
        clock::Clock,
        config::{Config, ConfigError},
        platforms::read_again,
    };

    fn login(config: &MatrixConfig) -> Option<Login> {
        match config.secrets() {
            (Some(password), _) => {
                Some(Login::Password { user: config.user.clone(), password: password.clone() })
            }
            (None, token) => token.cloned().map(Login::Token),
        }
    }

    /// The adapter of the account, when there is one. A new login is read from `file`, and from the files that it
    /// names.
    pub(crate) fn matrix(
        config: &Config,
        file: Option<&Path>,
        clock: &Clock,
    ) -> Result<Option<Matrix>, ConfigError> {
        let Some(known) = login(&config.matrix) else { return Ok(None) };
        let file: Option<PathBuf> = file.map(Path::to_owned);
        Ok(Some(Matrix::new(Settings {
            homeserver: config.matrix.address().map_err(ConfigError::Invalid)?,
            login: known,
            reload: Box::new(move || login(&read_again(file.as_deref())?.matrix)),
            recovery_key: given(config.matrix.recovery_key.as_ref()).cloned(),
            allow: config.matrix.allow.clone(),
            trusts_server: config.matrix.trust_server,
            only_signed_devices: config.matrix.only_signed_devices,
            file: config.platform_file("matrix.db")?,
            clock: clock.of_chat(),
        })))
    }
}
#[cfg(feature = "matrix")]
pub(super) use adapter::matrix;

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> MatrixConfig {
        MatrixConfig {
            homeserver: "https://matrix.example.org".into(),
            user: "@ops:example.org".into(),
            password: Some("secret".to_owned().into()),
            ..MatrixConfig::default()
        }
    }

    #[test]
    fn a_set_up_that_cannot_work_is_said_before_it_is_tried() {
        assert_eq!(MatrixConfig::default().check(), Ok(()));
        assert_eq!(matrix().check(), Ok(()));
        let allow = vec!["partner.example".into(), "@eve:other.example:8448".into()];
        assert_eq!(MatrixConfig { allow, ..matrix() }.check(), Ok(()));
        for (config, wanted) in [
            (MatrixConfig { user: "ops".into(), ..matrix() }, "matrix.user"),
            (MatrixConfig { homeserver: String::new(), ..matrix() }, "matrix.homeserver"),
            (
                MatrixConfig { homeserver: "http://x.example".into(), ..matrix() },
                "matrix.homeserver",
            ),
            (MatrixConfig { token: Some("t".to_owned().into()), ..matrix() }, "matrix.token"),
            (MatrixConfig { allow: vec!["every one".into()], ..matrix() }, "matrix.allow"),
        ] {
            let error = config.check().unwrap_err();
            assert!(error.contains(wanted) && !error.contains("secret"), "{error}");
        }
    }
}

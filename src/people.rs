//! The operating-system user, as the console knows them.

use chat::{Platform, UserRef};

/// The person at this machine's console: `console:HOSTNAME:USERNAME`.
pub fn console_user() -> UserRef {
    UserRef {
        platform: Platform::Console,
        workspace: plain(whoami::hostname().ok(), "localhost"),
        user: plain(whoami::username().ok(), "user"),
    }
}

/// Identities are visible ASCII; other names keep what is.
fn plain(name: Option<String>, otherwise: &str) -> String {
    let name: String =
        name.unwrap_or_default().chars().filter(|c| c.is_ascii_graphic() && *c != ':').collect();
    if name.is_empty() { otherwise.to_owned() } else { name }
}

//! Requests about people: decide on what another asked for, give and take roles.

use chat::Platform;

use crate::access::Role;

use super::{
    super::{
        Intent,
        hosts::Hosts,
        lexicon::{self, Word},
        tokens::Token,
    },
    Parsed, Request, is_empty, is_service, wanted,
};

impl Request<'_, '_> {
    pub(super) fn decide(&mut self, approve: bool) -> Parsed {
        let verb = if approve { "approve" } else { "reject" };
        let mut code = self.options.get("code").map(|setting| setting.value.to_ascii_uppercase());
        let mut reason = self.options.get("reason").map(|setting| setting.start);
        if code.is_none()
            && let Some((at, found)) = code_at(self.tokens)
        {
            code = Some(found);
            let after = self.tokens[at].end;
            let next = self.tokens.get(at + 1);
            // "approve 7F3K and 8G2L"
            let list = self.tokens.get(at + 1..).unwrap_or_default();
            let is_another = |token: &Token<'_>| {
                is_code(token.raw) && token.raw.bytes().any(|byte| byte.is_ascii_digit())
            };
            let several = list.iter().take(2).any(is_another)
                && list
                    .first()
                    .is_some_and(|token| token.word == Some(Word::And) || is_another(token));
            if several {
                return wanted(
                    decision(approve, None, None),
                    Hosts::default(),
                    Some(format!("One at a time, with its code: `{verb} 7F3K`.")),
                );
            }
            reason = reason.or(next.filter(|next| !next.used).map(|_| after));
        }
        let Some(code) = code else {
            // "approve of this plan" and "deny everything" are talk.
            let talk =
                self.tokens.iter().filter(|token| !token.used && token.word.is_none()).count();
            if talk > 1 || self.tokens.first().is_some_and(|token| token.text == "of") {
                return Parsed::Other;
            }
            return wanted(
                decision(approve, None, None),
                Hosts::default(),
                Some(format!("Say which request, with its code: `{verb} 7F3K`.")),
            );
        };
        let reason = reason
            .and_then(|start| self.text.folded().get(start..))
            .map(|text| {
                let text = text.trim_start_matches(|c: char| {
                    c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-' | '.' | '`')
                });
                text.trim().trim_matches('"').chars().take(500).collect::<String>()
            })
            .filter(|text| {
                let bare = text.trim_end_matches(['.', '!', '?']).to_ascii_lowercase();
                !matches!(
                    bare.as_str(),
                    "" | "please" | "pls" | "thanks" | "thank you" | "thx" | "cheers"
                )
            });
        wanted(decision(approve, Some(code), reason), Hosts::default(), None)
    }

    /// "operator to slack:T1:U1 in prod", "slack:T1:U1 an admin".
    pub(super) fn access(&mut self, grant: bool) -> Parsed {
        let mut role = None;
        let mut user = None;
        let mut environment = None;
        let mut strange = false;
        // "grant" and "revoke" say what they want; "give" and "make" say many things.
        let lower = self.text.folded().to_ascii_lowercase();
        let plain = lower.contains("grant") || lower.contains("revoke");
        if let Some(setting) = self.options.get("role") {
            role = setting.value.parse::<Role>().ok();
            strange |= role.is_none();
        }
        if let Some(setting) = self.options.get("user") {
            user = self.user(setting.raw);
            strange |= user.is_none();
        }
        if let Some(setting) = self.options.get("environment") {
            environment = Some(setting.raw.to_owned());
        }
        let mut at = 0;
        while at < self.tokens.len() {
            let token = self.tokens[at];
            at += 1;
            if token.used {
                continue;
            }
            let singular = token.text.strip_suffix('s').unwrap_or(token.text);
            if let Ok(found) = singular.parse::<Role>() {
                if role.is_some() {
                    return Parsed::Other;
                }
                role = Some(found);
            } else if let Some(found) = self.user(token.raw) {
                if user.is_some() {
                    return Parsed::Other;
                }
                user = Some(found);
            } else if matches!(token.text, "in" | "for" | "on")
                && let Some(next) = self.tokens.get(at)
                && !next.used
                && is_service(next.text)
                && environment.is_none()
                && !next.text.contains(':')
            {
                let next = *next;
                at += 1;
                // "in the prod environment", "for everything"
                if next.word == Some(Word::Article) {
                    continue;
                }
                environment = Some(next.raw.to_owned());
            } else if environment.is_none()
                && self.fleet.environment(token.text).is_some()
                && token.word.is_none()
            {
                environment = Some(token.raw.to_owned());
            } else if !is_empty(&token)
                && !matches!(
                    token.text,
                    "to" | "role" | "roles" | "rights" | "access" | "environment" | "an" | "away"
                )
            {
                strange = true;
                // "give me a hand", "make cpu great": talk, unless a role or a person was named.
                // "make operators happy" and "give admin a call" are talk; "make me admin" is not.
                let me = self.tokens.iter().any(|token| token.text == "me");
                if !plain && (role.is_none() || user.is_none() && !me) {
                    return Parsed::Other;
                }
            }
        }
        let verb = if grant { "grant" } else { "revoke" };
        if role.is_none() && user.is_none() && !plain {
            return Parsed::Other;
        }
        let to = if grant { "" } else { "from " };
        let example = format!("{verb} operator {to}slack:T0123:U0456");
        let usage = if role.is_none() {
            Some(format!("Say which role (guest, viewer, operator or admin): `{example}`."))
        } else if user.is_none() {
            Some(format!("Say whom, as PLATFORM:WORKSPACE:USER or by link code: `{example}`."))
        } else if strange {
            return Parsed::Other;
        } else {
            None
        };
        let intent = if grant {
            Intent::Grant { role, user, environment }
        } else {
            Intent::Revoke { role, user, environment }
        };
        wanted(intent, Hosts::default(), usage)
    }

    /// "@ana:example.org", and nothing else.
    pub(super) fn verify(&mut self) -> Parsed {
        let [who] = &*self.tokens else { return Parsed::Other };
        let user = self.user(who.raw);
        let usage = user.is_none().then(|| {
            "Say whose devices: `verify @ana:example.org`, or `verify matrix:example.org:@ana:example.org`.".to_owned()
        });
        wanted(Intent::Verify { user }, Hosts::default(), usage)
    }

    /// A person: an identity, a mention on this platform, or a link code.
    fn user(&self, raw: &str) -> Option<String> {
        // As people of Matrix are called.
        if raw.starts_with('@') && raw.contains(':') && self.event.from.platform == Platform::Matrix
        {
            let user = format!("matrix:{}:{raw}", self.event.from.workspace);
            return user.parse::<chat::UserRef>().ok().map(|user| user.to_string());
        }
        if raw.contains(':') {
            return raw.parse::<chat::UserRef>().ok().map(|user| user.to_string());
        }
        if let Some(id) = raw.strip_prefix('@') {
            let plain = id.len() >= 6
                && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
                || id.len() >= 2
                    && id.starts_with(['U', 'W'])
                    && id[1..]
                        .bytes()
                        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            return plain.then(|| {
                format!("{}:{}:{id}", self.event.from.platform, self.event.from.workspace)
            });
        }
        is_code(raw).then(|| raw.to_ascii_uppercase())
    }
}

fn decision(approve: bool, code: Option<String>, reason: Option<String>) -> Intent {
    if approve { Intent::Approve { code, reason } } else { Intent::Reject { code, reason } }
}

/// The code of a request among the first words: `7F3K`.
pub(super) fn code_at(tokens: &[Token<'_>]) -> Option<(usize, String)> {
    for (at, token) in tokens.iter().enumerate().take(5) {
        if token.used {
            continue;
        }
        if is_code(token.raw) {
            return Some((at, token.raw.trim_start_matches('#').to_ascii_uppercase()));
        }
        if !matches!(
            token.text,
            "the"
                | "request"
                | "code"
                | "action"
                | "approval"
                | "number"
                | "please"
                | "with"
                | "id"
                | "proposal"
        ) {
            return None;
        }
    }
    None
}

/// 4 to 12 letters and digits that are no ordinary word: with a digit, or all in capitals.
fn is_code(raw: &str) -> bool {
    let raw = raw.strip_prefix('#').unwrap_or(raw);
    (4..=12).contains(&raw.len())
        && raw.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && (raw.bytes().any(|byte| byte.is_ascii_digit())
            || raw.bytes().all(|byte| byte.is_ascii_uppercase())
                && lexicon::look_up(&raw.to_ascii_lowercase()).is_none()
                && !matches!(raw, "THIS" | "THAT" | "EVERYTHING" | "THEM" | "LOOKS"))
}

//! Who is who, and who may do what.

use chat::{Block, Card, Tone, UserRef};

use crate::access::{Principal, Role};

/// Who the speaker is here, and how to get more.
pub fn whoami(principal: &Principal, display_name: &str) -> Card {
    let mut fields = vec![("account".to_owned(), principal.identity.to_string())];
    if !display_name.is_empty() {
        fields.push(("shown as".to_owned(), display_name.to_owned()));
    }
    if principal.bindings.is_empty() {
        fields.push(("role".to_owned(), Role::Guest.to_string()));
    }
    for binding in &principal.bindings {
        let place = binding
            .environment
            .as_ref()
            .map_or_else(|| "everywhere".to_owned(), |environment| format!("in {environment}"));
        fields.push(("role".to_owned(), format!("{}, {place}", binding.role)));
    }
    let card =
        Card::titled(format!("You are {}", principal.best_role())).with(Block::Fields(fields));
    match &principal.link_code {
        Some(code) if !principal.is_known() => card.line(format!(
            "Nobody gave you a role yet. Ask an Admin to say `grant viewer {code}`, or, if you have \
             a role under another account, say `link {code}` there."
        )),
        _ => card,
    }
}

/// The code of an account, to be said elsewhere.
pub fn link_code(principal: &Principal) -> Card {
    match &principal.link_code {
        Some(code) if !principal.is_known() => Card::titled(format!("Your code is {code}"))
            .line(format!(
                "Say `link {code}` under the account where you have a role: then both are you. Or \
                 ask an Admin to say `grant viewer {code}`."
            ))
            .note("The code is good for 24 hours."),
        _ => Card::titled("This account is known").line(
            "To add another account of yours, say `link` there, and then say `link CODE` here with \
             the code you were shown.",
        ),
    }
}

/// Asks before two accounts become one person, since the other account gets all rights.
pub fn link_question(code: &str, other: &UserRef) -> Card {
    Card::titled(format!("Is {other} you?")).tone(Tone::Warning).line(format!(
        "That account would have all your roles. If it is yours, say `link {code} yes` within 24 \
             hours. If somebody else sent you this code, do nothing and tell an Admin."
    ))
}

/// Two accounts are one person now.
pub fn linked(other: &UserRef) -> Card {
    Card::titled(format!("{other} is you now")).tone(Tone::Good).line("It has all your roles.")
}

/// A role was given, or was there already.
pub fn granted(who: &UserRef, role: Role, environment: Option<&str>, changed: bool) -> Card {
    let is = if changed { "is now" } else { "is already" };
    Card::titled(format!("{who} {is} {role} {}", place(environment))).tone(Tone::Good)
}

/// A role was taken away, or was not there.
pub fn revoked(who: &UserRef, role: Role, environment: Option<&str>, changed: bool) -> Card {
    let place = place(environment);
    if changed {
        return Card::titled(format!("{who} is no longer {role} {place}")).tone(Tone::Good);
    }
    Card::titled(format!("{who} is not {role} {place}"))
        .tone(Tone::Warning)
        .line("Nothing changed. `smartcloudops roles list` shows who has which role.")
}

/// Somebody's devices are taken for theirs from now on.
pub fn verified(who: &UserRef) -> Card {
    Card::titled(format!("{who} is who signs their devices now"))
        .tone(Tone::Good)
        .line("What they say from a device that they signed is proven again.")
}

fn place(environment: Option<&str>) -> String {
    environment.map_or_else(|| "everywhere".to_owned(), |environment| format!("in {environment}"))
}

//! A Prometheus behind TLS, with an authority of its own, and a password.

use crate::support::{
    bot::{Smartcloudops, answered, refused},
    peers,
};

fn bot(server: &str, settings: &str) -> Smartcloudops {
    Smartcloudops::configured(&format!("[metrics.prometheus]\nurl = \"{server}\"\n{settings}"))
}

#[test]
fn it_is_asked_with_its_authority_and_the_password() {
    let (Some(server), Some(authority)) = (peers::locked(), peers::locked_authority()) else {
        return;
    };
    let credentials = "username = \"bot\"\npassword = \"correct horse\"\n";
    let trust = format!("ca_file = \"{authority}\"\n");
    let right = bot(&server, &format!("{trust}{credentials}"));
    let answer = answered(&right.ask("query count(up{job=\"prometheus\"})"));
    assert_eq!(answer["evidence"][0]["values"][0]["value"], 1.0);

    let wrong =
        bot(&server, &format!("{trust}username = \"bot\"\npassword = \"battery staple\"\n"));
    let refusal = refused(&wrong.ask("cpu"), 4);
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("does not accept my credentials"), "{message}");
    assert!(!message.contains("battery"), "{message}");

    let stranger = bot(&server, credentials);
    let refusal = refused(&stranger.ask("cpu"), 4);
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("could not reach Prometheus at https://"), "{message}");
    assert!(message.contains("certificate") && message.contains("ca_file"), "{message}");
}

//! Which network interfaces are counted, by their names: the same ones of this machine and of what
//! a Prometheus knows. Pure.
//!
//! An interface whose bytes are counted again on the one that carries them is not, and neither is
//! one on which nothing leaves the machine.

use std::fmt::Write as _;

/// What a name that is not counted looks like.
enum Name {
    /// It begins like this.
    Begins(&'static str),
    /// Exactly this, with or without a number.
    Numbered(&'static str),
    /// This and a number.
    WithNumber(&'static str),
    /// This and eleven hexadecimal digits.
    WithHash(&'static str),
    /// This is somewhere in it.
    Contains(char),
}

use Name::{Begins, Contains, Numbered, WithHash, WithNumber};

const NOT_COUNTED: [Name; 38] = [
    Numbered("lo"),
    Begins("bond"),
    Begins("br-"),
    WithNumber("br"),
    WithNumber("bridge"),
    Begins("cali"),
    Begins("cbr"),
    Begins("cilium"),
    Begins("cni"),
    Begins("docker"),
    Begins("dummy"),
    WithHash("eni"),
    Begins("flannel"),
    Begins("gif"),
    Begins("ifb"),
    Begins("ipsec"),
    Begins("kube"),
    Begins("lxc"),
    Begins("lxdbr"),
    Begins("nodelocaldns"),
    Begins("ovs"),
    Begins("podman"),
    Begins("sit"),
    Begins("stf"),
    Begins("tailscale"),
    Begins("tap"),
    Begins("team"),
    Begins("tun"),
    Begins("utun"),
    Begins("veth"),
    Begins("virbr"),
    WithNumber("vlan"),
    Begins("vmbr"),
    Begins("vnet"),
    Begins("vxlan"),
    Begins("wg"),
    Begins("zt"),
    // A VLAN, such as eth0.5.
    Contains('.'),
];

/// Whether the bytes of this interface are counted.
pub(super) fn is_counted(name: &str) -> bool {
    let digits = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
    !NOT_COUNTED.iter().any(|rule| match *rule {
        Begins(start) => name.starts_with(start),
        Numbered(start) => name.strip_prefix(start).is_some_and(digits),
        WithNumber(start) => {
            name.strip_prefix(start).is_some_and(|rest| !rest.is_empty() && digits(rest))
        }
        WithHash(start) => name.strip_prefix(start).is_some_and(|rest| {
            rest.len() == 11 && rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        }),
        Contains(part) => name.contains(part),
    })
}

/// A regular expression of the names that are not counted, to be matched against whole names.
pub(super) fn not_counted() -> String {
    let mut pattern = String::new();
    for rule in &NOT_COUNTED {
        let or = if pattern.is_empty() { "" } else { "|" };
        // Writing to a string cannot fail.
        let _ = match *rule {
            Begins(start) => write!(pattern, "{or}{start}.*"),
            Numbered(start) => write!(pattern, "{or}{start}[0-9]*"),
            WithNumber(start) => write!(pattern, "{or}{start}[0-9]+"),
            WithHash(start) => write!(pattern, "{or}{start}[0-9a-f]{{11}}"),
            Contains(part) => write!(pattern, "{or}.*[{part}].*"),
        };
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_carries_bytes_out_of_the_machine_is_counted() {
        for real in ["eth0", "ens5", "enp3s0f1", "wlan0", "long0", "en0", "wwan0", "eni0", "Wi-Fi"]
        {
            assert!(is_counted(real), "{real}");
        }
        for other in [
            "lo",
            "lo0",
            "bond0",
            "br0",
            "br-4fa1",
            "bridge0",
            "docker0",
            "veth12ab",
            "cni0",
            "virbr0",
            "tailscale0",
            "wg0",
            "tun0",
            "utun3",
            "eth0.5",
            "bond0.100",
            "vlan20",
            "team0",
            "eni0123456789a",
            "vmbr0",
            "cali12",
            "lxc1",
        ] {
            assert!(!is_counted(other), "{other}");
        }
    }
}

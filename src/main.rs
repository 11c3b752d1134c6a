//! The `smartcloudops` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before the first TLS handshake: libraries that bring different providers must agree on one.
    // It fails only when one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    smartcloudops::cli::main()
}

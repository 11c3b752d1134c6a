//! The cryptography of encrypted connections.

/// reqwest panics without one. Whoever was first is kept.
pub(crate) fn install_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing the race against another thread is fine: then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

//! Learning from made-up machines, looking at them, and being judged.

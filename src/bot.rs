//! The request path: receive → first sight? → principal → intent → permission → handler → reply.

pub mod intent;

//! Flow logs of the clouds' virtual networks.

pub(crate) mod aws;
pub(crate) mod azure;
pub(crate) mod gcp;
mod holders;
pub(crate) mod vm_connection;

//! Where hosts are: what decides whether their troubles can be the same.

use std::collections::HashMap;

use crate::metrics::Fleet;

/// Where one host is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its environment.
    pub environment: Option<String>,
    /// Its role.
    pub role: Option<String>,
    /// Its zone or rack.
    pub zone: Option<String>,
}

/// Where all hosts are. A host that is not in it has neither environment, role nor zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    places: HashMap<String, Place>,
    /// How many hosts a role has in an environment.
    roles: HashMap<(Option<String>, String), usize>,
}

impl Placement {
    /// Hosts with their places.
    pub fn new(places: impl IntoIterator<Item = (String, Place)>) -> Self {
        let places: HashMap<_, _> = places.into_iter().collect();
        let mut roles = HashMap::new();
        for place in places.values() {
            if let Some(role) = &place.role {
                *roles.entry((place.environment.clone(), role.clone())).or_insert(0) += 1;
            }
        }
        Self { places, roles }
    }

    /// The places of a fleet.
    pub fn of(fleet: &Fleet) -> Self {
        Self::new(fleet.hosts().iter().map(|host| {
            let place = Place {
                environment: host.environment.clone(),
                role: host.role.clone(),
                zone: host.zone.clone(),
            };
            (host.name.clone(), place)
        }))
    }

    /// Where a host is.
    pub fn of_host(&self, host: &str) -> Place {
        self.places.get(host).cloned().unwrap_or_default()
    }

    /// How many hosts have this role there.
    pub fn role_size(&self, environment: Option<&str>, role: &str) -> usize {
        let key = (environment.map(ToOwned::to_owned), role.to_owned());
        self.roles.get(&key).copied().unwrap_or(0)
    }
}

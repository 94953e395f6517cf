//! tower_layers

"""The Protocols that a provider package composes, and the values they share. A change here is an ADR."""

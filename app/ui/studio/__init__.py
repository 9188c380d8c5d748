"""The archetype studio: what the Archetypes page is made of, a module a view or a part of one."""

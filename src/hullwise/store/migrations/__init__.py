"""The steps of the schema, one file each; `hullwise.store.schema.migrate` applies them."""

"""The wire, pure: ``codes`` (the catalogues), ``errors``, ``messages`` (text to types), ``replies`` (to bytes)."""

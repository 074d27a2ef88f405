"""Reading of MP4 files at each level: tables, key pictures, every byte."""

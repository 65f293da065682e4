"""What is checked of finished tables: rules, contamination by evaluation sets, second opinions."""

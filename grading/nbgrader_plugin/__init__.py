"""The one adapter to nbgrader: its configuration, preprocessors, gradebook and late penalties."""

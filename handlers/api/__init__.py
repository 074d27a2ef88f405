"""The handlers of the API's resources."""

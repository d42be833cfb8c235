"""Making trials: pictures compared or searched, by our engine or through an endpoint."""

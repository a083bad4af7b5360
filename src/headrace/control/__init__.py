"""What makes the world match what people wished: plan (pure), reconcile, builds, recorder."""

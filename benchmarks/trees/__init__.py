"""Two checkouts of this project under the same commands: what each leaves and says, and where they differ."""

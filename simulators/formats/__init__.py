"""Wire formats: pure functions from what a device sees to the bytes, registers or JSON that its maker documents."""

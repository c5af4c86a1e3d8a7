// Empty: tells the compiler that functions without a body (oracle.go) are defined elsewhere, in the runtime.
